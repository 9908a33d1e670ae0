package jwks_test

import (
	"crypto/elliptic"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

// A history is what happens to a directory of keys and the replicas that read it.
type history struct {
	restarts    bool // replicas start anew, and rest for long
	oldTimes    bool // files are moved in with times from before anybody looked last
	named       bool // the names tell the times
	compromises bool
}

// used is how long after signing an assertion reaches its server. Replicas that rest learn of a file with a false time when they
// wake, up to 300 s later than others, and all that is left of the old key's time is ReloadInterval.
func (h history) used() time.Duration {
	if h.oldTimes && !h.named {
		return reload
	}
	return 300 * time.Second
}

type fetch struct {
	at      time.Time
	replica int
	kids    []string
}

type signature struct {
	at      time.Time
	replica int
	kid     string
}

type cluster struct {
	history
	t           *testing.T
	rand        *rand.Rand
	dir         keyDir
	replicas    []*jwks.Ring
	files       []string // of the keys, the oldest first
	added       time.Time
	half        func() // ends the writing of a file
	fetches     []fetch
	signatures  []signature
	compromised map[string]time.Time
	log         []string
}

// Whatever happens, what a replica signs is in every JWKS that a cache may hold: all those served in the MaxAge before, and as long
// as the assertion may be on its way. Only a compromised key's successor may have had to begin at once.
func TestReplicasAgree(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for i := range rounds {
		for _, h := range []history{
			{restarts: true}, {oldTimes: true}, {named: true, restarts: true, oldTimes: true},
			{compromises: true}, {named: true, restarts: true, compromises: true},
		} {
			seed := uint64(i)
			t.Run(fmt.Sprintf("%+v/%d", h, seed), func(t *testing.T) {
				dir := newKeyDir(t)
				synctest.Test(t, func(t *testing.T) {
					c := &cluster{history: h, t: t, rand: rand.New(rand.NewPCG(seed, 0)), dir: dir, compromised: map[string]time.Time{}}
					c.run()
				})
			})
		}
	}
}

func (c *cluster) run() {
	c.add(time.Now())
	for range 3 {
		c.replicas = append(c.replicas, c.start())
	}
	for range 250 {
		c.sleep()
		i := c.rand.IntN(len(c.replicas))
		switch n := c.rand.IntN(20); {
		case n < 8:
			c.fetches = append(c.fetches, fetch{time.Now(), i, kids(c.replicas[i])})
		case n < 15:
			if kid := c.replicas[i].KeyID(); kid != "" {
				c.signatures = append(c.signatures, signature{time.Now(), i, kid})
			}
		case n < 16 && c.half != nil:
			c.half()
		case n < 16:
			c.change()
		case n < 17 && c.restarts && c.half == nil:
			c.note("restart of %d", i)
			c.replicas[i] = c.start()
		case n < 18 && (c.named || !c.restarts):
			name := c.files[c.rand.IntN(len(c.files))]
			c.note("touch of %s", name)
			c.dir.touch(name, time.Now())
		case n < 19 && c.compromises:
			c.compromise(c.replicas[i].KeyID())
		default:
			c.clean()
		}
	}
	c.check()
	if c.t.Failed() {
		for _, line := range c.log {
			c.t.Log(line)
		}
	}
}

func (c *cluster) note(format string, args ...any) {
	c.log = append(c.log, time.Now().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

func (c *cluster) sleep() {
	most := []int{5, 60, 290}[c.rand.IntN(3)]
	if c.restarts && c.rand.IntN(10) == 0 {
		most = 3600
	}
	c.visit(most)
	time.Sleep(time.Duration(1+c.rand.IntN(most)) * time.Second)
	c.visit(most)
}

// visit keeps replicas from resting for more than 300 s where that matters.
func (c *cluster) visit(slept int) {
	for i, r := range c.replicas {
		if !c.restarts && slept > 5 {
			c.fetches = append(c.fetches, fetch{time.Now(), i, kids(r)})
		}
	}
}

func (c *cluster) start() *jwks.Ring {
	return must(jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(c.dir.path, nil), OnError: func(error) {}}))
}

// change adds a key, perhaps in two halves, unless one was added a moment ago.
func (c *cluster) change() {
	published := time.Now()
	if c.oldTimes {
		published = published.Add(-time.Duration(300+c.rand.IntN(7200)) * time.Second)
	}
	if c.rand.IntN(3) > 0 || c.restarts && !c.named { // a ring cannot start with half a file
		c.add(published)
		return
	}
	name := c.name()
	whole := pemOf(newEC(elliptic.P256()))
	c.dir.write(name, whole[:50])
	c.note("half of %s", name)
	c.half = func() {
		_ = os.Remove(filepath.Join(c.dir.path, name))
		c.half = nil
		c.add(time.Now())
	}
}

func (c *cluster) name() string {
	if c.named {
		return time.Now().UTC().Format("20060102T150405Z") + fmt.Sprintf("-%03d.pem", len(c.log))
	}
	return fmt.Sprintf("%03d.pem", len(c.log))
}

func (c *cluster) add(published time.Time) {
	name := c.name()
	kid := c.dir.add(name)
	c.dir.touch(name, published)
	c.files, c.added = append(c.files, name), time.Now()
	c.note("%s is %s, of %s", name, kid[:6], published.Format("15:04:05"))
}

// compromise withdraws a key, if it is not the last.
func (c *cluster) compromise(kid string) {
	if len(c.files) < 2 {
		return
	}
	for i, name := range c.files {
		data := must(os.ReadFile(filepath.Join(c.dir.path, name)))
		if must(smartauth.ParseKey(data, "")).KeyID() == kid {
			c.note("%s is compromised", kid[:6])
			c.dir.write(name+".compromised", nil)
			c.compromised[kid] = time.Now()
			c.files = slices.Delete(slices.Clone(c.files), i, i+1)
			return
		}
	}
}

// clean removes a file whose key nobody publishes any more.
func (c *cluster) clean() {
	name := c.files[0]
	kid := must(smartauth.ParseKey(must(os.ReadFile(filepath.Join(c.dir.path, name))), "")).KeyID()
	for _, r := range c.replicas {
		if slices.Contains(kids(r), kid) {
			return
		}
	}
	if len(c.files) > 1 && time.Since(c.added) > time.Hour {
		c.note("%s is removed", name)
		c.dir.remove(name)
		c.files = c.files[1:]
	}
}

func (c *cluster) check() {
	for _, s := range c.signatures {
		if at, ok := c.compromised[s.kid]; ok && s.at.Sub(at) >= reload {
			c.t.Errorf("%v: replica %d signs with %s, compromised %v ago", s.at, s.replica, s.kid, s.at.Sub(at))
		}
		for _, f := range c.fetches {
			if f.at.After(s.at.Add(-maxAge)) && f.at.Before(s.at.Add(c.used())) && !slices.Contains(f.kids, s.kid) && !c.excused(s, f) {
				c.t.Errorf("%s: replica %d signs with %s, which %d did not serve at %s", s.at.Format("02 15:04:05"), s.replica, s.kid[:6],
					f.replica, f.at.Format("02 15:04:05"))
			}
		}
	}
	for _, f := range c.fetches {
		for kid, at := range c.compromised {
			if slices.Contains(f.kids, kid) && f.at.Sub(at) >= reload {
				c.t.Errorf("%v: replica %d serves %s, compromised %v ago", f.at, f.replica, kid, f.at.Sub(at))
			}
		}
	}
}

// excused tells whether a compromise shortly before had its successor begin at once, or took the key away.
func (c *cluster) excused(s signature, f fetch) bool {
	for kid, at := range c.compromised {
		if kid == s.kid && !f.at.Before(at) || !s.at.Before(at) && s.at.Before(at.Add(wait+reload)) {
			return true
		}
	}
	return false
}

// Where files have true times, replicas are of one mind at every instant.
func TestReplicasChangeTogether(t *testing.T) {
	dir := newKeyDir(t)
	synctest.Test(t, func(t *testing.T) {
		var replicas []*jwks.Ring
		dir.add("0.pem")
		for range 3 {
			replicas = append(replicas, must(jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(dir.path, nil)})))
			time.Sleep(7 * time.Second) // each looks at other times
		}
		for i := range 5 {
			dir.add(fmt.Sprintf("%d.pem", i+1))
			signed := sync.Map{}
			for range 900 {
				time.Sleep(time.Second)
				kid := replicas[0].KeyID()
				signed.Store(kid, nil)
				for _, r := range replicas[1:] {
					if got := r.KeyID(); got != kid {
						t.Fatalf("%s and %s sign at once", got, kid)
					}
				}
			}
			n := 0
			signed.Range(func(any, any) bool { n++; return true })
			if n != 2 {
				t.Errorf("%d keys signed, want the old and the new", n)
			}
		}
	})
}
