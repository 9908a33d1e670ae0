package smartauth_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestScopeMissingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		var clientID string
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o; clientID = c.ClientID })
		srv.SetRole(clientID)
		for range 2 { // once per change
			token, err := src.Token(t.Context())
			if err != nil || token.Scope() != "" {
				t.Fatalf("scope %q, %v", token.Scope(), err)
			}
			time.Sleep(301 * time.Second)
		}
		if states := o.states(); len(states) != 1 || states[0] != smartauth.StateScopeMissing {
			t.Errorf("states %v, want scope_missing once", states)
		}
	})
}

// slowToHear takes a second over bad news.
type slowToHear struct{ recorder }

func (o *slowToHear) StateChanged(ctx context.Context, c smartauth.StateChange) {
	if c.State == smartauth.StateFailing {
		time.Sleep(time.Second)
	}
	o.recorder.StateChanged(ctx, c)
}

func TestStatesAreToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &slowToHear{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 3, Status: 503})
		if _, err := src.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		time.Sleep(300 * time.Millisecond)
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if want := []smartauth.State{smartauth.StateFailing, smartauth.StateRecovered}; !slices.Equal(o.states(), want) {
			t.Errorf("told %v, want %v", o.states(), want)
		}
	})
}

func TestClockThatIsRightAgainIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.SetClockOffset(smarttest.AuthServer, -time.Hour)
		for range 3 {
			if _, err := src.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			srv.SetClockOffset(smarttest.AuthServer, 0)
			time.Sleep(301 * time.Second)
		}
		// Assertions of an hour ago have expired; the next refusal drops the offset.
		if want := []smartauth.State{smartauth.StateClockOff, smartauth.StateClockRight}; !slices.Equal(o.states(), want) {
			t.Errorf("told %v, want %v", o.states(), want)
		}
	})
}
