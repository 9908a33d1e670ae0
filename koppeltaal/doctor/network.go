package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/smartauth-go/smartauth/internal/bounded"
	"github.com/smartauth-go/smartauth/internal/clean"
	"github.com/smartauth-go/smartauth/internal/peer"
)

// recorder is a transport that gives each request an id, and remembers what became of it.
type recorder struct {
	base http.RoundTripper

	mu   sync.Mutex
	made []exchange
}

// exchange is a request and when its response came, by both clocks.
type exchange struct {
	Request
	received time.Time
	date     time.Time // of the server; zero if it did not tell, or a cache answered
}

// RoundTrip implements http.RoundTripper.
func (t *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Header.Get("X-Request-Id") == "" {
		r.Header.Set("X-Request-Id", rand.Text())
	}
	t.mu.Lock()
	i := len(t.made) // at once: some never come back
	t.made = append(t.made, exchange{Request: Request{Time: time.Now(), Method: r.Method, URL: clean.URL(r.URL), ID: r.Header.Get("X-Request-Id")}})
	t.mu.Unlock()
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made[i].received = time.Now()
	if err == nil {
		t.made[i].Status, t.made[i].date = resp.StatusCode, peer.Date(resp.Header)
	}
	return resp, err
}

func (t *recorder) requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Request, len(t.made))
	for i, e := range t.made {
		all[i] = e.Request
	}
	return all
}

// last returns the latest exchange with an origin, nil if there was none with a response.
func (t *recorder) last(with *url.URL) *exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.made) - 1; i >= 0; i-- {
		u, err := url.Parse(t.made[i].URL)
		if e := t.made[i]; err == nil && e.Status != 0 && u.Scheme == with.Scheme && u.Host == with.Host {
			return &e
		}
	}
	return nil
}

// answer is a response, read to its end.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	took     time.Duration
	redirect *url.URL // where the last of its redirects led, nil if there was none
}

const maxBody = 1 << 20

var errTooLarge = errors.New("the response is larger than 1 MiB")

// get makes a GET request. It follows up to most redirects.
func (d *doctor) get(ctx context.Context, u string, header http.Header, most int) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	r.Header = header
	client := *d.client
	return bounded.Do(ctx, "HTTP client", 0, func() (*answer, error) { return receive(client, r, most) })
}

func receive(client http.Client, r *http.Request, most int) (*answer, error) {
	a := &answer{}
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > most {
			return http.ErrUseLastResponse
		}
		a.redirect = r.URL
		return nil
	}
	began := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(a.body) > maxBody {
		err = errTooLarge
	}
	a.took = time.Since(began)
	return a, err
}

// trouble says in words why there was no response.
func trouble(err error) string {
	why := peer.Trouble(err)
	switch {
	case peer.TimedOut(err):
		return "no answer in time: " + why
	case errors.Is(err, context.Canceled): // also of a look-up
		return "no answer before the check was ended"
	case why != "":
		return why
	case errors.Is(err, errTooLarge):
		return errTooLarge.Error()
	default:
		return "the connection failed: host, port or https is wrong, or the server is in trouble"
	}
}

func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return clean.Value(clean.URL(u), 255)
}
