package benchmarks

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"github.com/aws/aws-sdk-go-v2/aws"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// sources are the peers' token sources. All have cached the same token, which outlives any benchmark.
type sources struct {
	smartauth *smartauth.Source
	oauth2    oauth2.TokenSource
	google    *auth.Credentials
	aws       *aws.CredentialsCache
	floor     *floorSource
}

const tokenLifetime = 24 * time.Hour

func newSources(tb testing.TB) sources {
	tb.Helper()
	sandbox := smarttest.New(tb, smarttest.Options{Profile: smarttest.SMART, TokenLifetime: tokenLifetime})
	ours, err := smartauth.New(sandbox.NewClient(smarttest.ClientOptions{}))
	if err != nil {
		tb.Fatal(err)
	}
	token, err := ours.Token(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}

	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%d}`,
			token.AccessToken(), int(tokenLifetime.Seconds()))
	}))
	tb.Cleanup(endpoint.Close)
	config := clientcredentials.Config{ClientID: "client", ClientSecret: "secret", TokenURL: endpoint.URL}
	theirs := config.TokenSource(tb.Context()) // caches by oauth2.ReuseTokenSource
	if _, err := theirs.Token(); err != nil {
		tb.Fatal(err)
	}

	same := sameToken{&auth.Token{Value: token.AccessToken(), Expiry: time.Now().Add(tokenLifetime)}}
	return sources{ours, theirs, newGoogle(same), aws.NewCredentialsCache(awsProvider(same)), newFloorSource(token.AccessToken())}
}

type sameToken struct{ token *auth.Token }

func (s sameToken) Token(context.Context) (*auth.Token, error) { return s.token, nil }

// floorSource is the least that a cache can do: one load and one look at the clock.
type floorSource struct{ current atomic.Pointer[floorToken] }

type floorToken struct {
	header    []string
	refreshAt time.Time
}

func newFloorSource(token string) *floorSource {
	s := new(floorSource)
	s.current.Store(&floorToken{[]string{"Bearer " + token}, time.Now().Add(tokenLifetime)})
	return s
}

// Token is not inlined, as that of a library would not be.
//
//go:noinline
func (s *floorSource) Token() (*floorToken, error) {
	if t := s.current.Load(); time.Until(t.refreshAt) > 0 {
		return t, nil
	}
	return nil, http.ErrNotSupported
}

var first = flag.Int("first", 0, "the number of the peer that each benchmark begins with, so that rounds may take turns")

// inTurn returns the peers from the first on, and then those before.
func inTurn[T any](peers []T) []T {
	n := *first % len(peers)
	return slices.Concat(peers[n:], peers[:n])
}
