package reliability

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// A call is what a caller asks for, and how that ended. Its stack may make several attempts.
type call struct {
	client     *soakClient
	create     string // the name of what it is to create; empty for a read
	opaque     bool   // the body
	patience   time.Duration
	begin, end time.Time
	attempts   []*attempted
	status     int // 0 if the caller got no response
	err        error
}

// An attempted is an attempt of a call, and how that ended.
type attempted struct {
	client     *soakClient
	patience   time.Duration // that is left
	healed     bool          // an earlier attempt of its call has had a new token
	begin, end time.Time
	sends      []send
	status     int
	err        error
	wrong      string // what is wrong with the answer, or was on the way; empty if nothing is
}

type (
	callKey    struct{}
	attemptKey struct{}
)

// watchAttempts sees, above the adapter, what a stack makes of a call.
func watchAttempts(below http.RoundTripper) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		ctx := r.Context()
		c := ctx.Value(callKey{}).(*call)
		o := &attempted{client: c.client, begin: time.Now()}
		o.patience = max(0, c.begin.Add(c.patience).Sub(o.begin))
		for _, before := range c.attempts {
			o.healed = o.healed || len(before.sends) > 1
		}
		c.attempts = append(c.attempts, o)
		resp, err := below.RoundTrip(r.WithContext(context.WithValue(ctx, attemptKey{}, o)))
		o.end, o.err = time.Now(), err
		if err == nil {
			o.status = resp.StatusCode
		}
		return resp, err
	}
}

// patient has a text if its body is opaque, so that there is something to lose.
func patient(name string, opaque bool) string {
	text := ""
	if opaque {
		text = `,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + strings.Repeat(name+" ", 20) + `</div>"}`
	}
	return `{"resourceType":"Patient","name":[{"family":"` + name + `"}]` + text + `}`
}

func (c *call) make() {
	q := request{method: http.MethodGet, url: c.client.base + "/Task?_count=0"}
	if c.create != "" {
		q = request{http.MethodPost, c.client.base + "/Patient", patient(c.create, c.opaque), c.opaque}
	}
	c.begin = time.Now()
	ctx, cancel := context.WithDeadline(context.WithValue(context.Background(), callKey{}, c), c.begin.Add(c.patience))
	defer cancel()
	var answer []byte
	c.status, answer, c.err = c.client.do(ctx, q)
	c.end = time.Now()
	for _, o := range c.attempts {
		o.wrong = o.misbehaved()
	}
	if last := c.last(); last != nil && c.status != 0 { // the caller has read the body
		last.end, last.status, last.err = c.end, c.status, c.err
		if last.right() {
			last.wrong = wrongAnswer(answer, c.create)
		}
	}
}

// last returns nil if there was no attempt.
func (c *call) last() *attempted {
	if len(c.attempts) == 0 {
		return nil
	}
	return c.attempts[len(c.attempts)-1]
}

func (c *call) right() bool {
	last := c.last()
	return c.err == nil && c.status/100 == 2 && last != nil && last.right()
}

func (o *attempted) right() bool { return o.err == nil && o.status/100 == 2 && o.wrong == "" }

// stored returns how many resources an attempt to create one has made, as far as its answer tells: it cannot make two.
func (o *attempted) stored() (least, most int) {
	var noToken *smartauth.Error
	switch {
	case o.err == nil && o.status/100 == 2:
		return 1, 1
	case o.err == nil, errors.As(o.err, &noToken):
		return 0, 0
	}
	return 0, 1
}

// copies are how many resources there may be of a name.
type copies struct{ least, most int }

// A tally counts the calls, and keeps what is to be looked at.
type tally struct {
	right atomic.Int64

	mu       sync.Mutex
	bad      int
	repeated int // attempts after the first
	resent   int // opaque bodies
	calls    []*call
	kept     []*attempted
	creates  map[string]copies
}

func (r *tally) add(c *call) {
	right := c.right()
	if right {
		r.right.Add(1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !right {
		r.bad++
	}
	if !right || len(c.attempts) > 1 || c.end.Sub(c.begin) > aReturn*eachStep {
		r.calls = append(r.calls, c)
	}
	r.repeated += max(0, len(c.attempts)-1)
	var made copies
	for _, o := range c.attempts {
		if !o.right() || len(o.sends) > 1 || o.end.Sub(o.begin) > aReturn*eachStep {
			r.kept = append(r.kept, o)
		}
		if len(o.sends) > 1 && o.sends[1].opaque {
			r.resent++
		}
		least, most := o.stored()
		made = copies{made.least + least, made.most + most}
	}
	if c.create != "" {
		if r.creates == nil {
			r.creates = map[string]copies{}
		}
		r.creates[c.create] = made
	}
}
