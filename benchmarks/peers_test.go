package benchmarks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"github.com/aws/aws-sdk-go-v2/aws"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// A peer is a library without a token yet, set up as its documentation says. Its transport authenticates over base; nil for
// one that has none for bearers.
type peer struct {
	name      string
	token     func(context.Context) error
	transport func(base http.RoundTripper) http.RoundTripper
}

var peerNames = []string{"smartauth", "oauth2", "google", "aws"}

// waitsOnMutex tells of the peers that hold a mutex during a token request. Time in a bubble of testing/synctest stands still
// while goroutines wait for one, so that these are measured in real time, on loopback.
func waitsOnMutex(name string) bool { return name == "oauth2" || name == "google" }

// newPeer returns the peer of that name, for the servers of w.
func newPeer(tb testing.TB, w *world, name string) peer {
	tb.Helper()
	switch name {
	case "smartauth":
		config := w.NewClient(smarttest.ClientOptions{RSA: true})
		config.TokenURL = w.TokenURL() // the others do not discover
		src, err := smartauth.New(config)
		if err != nil {
			tb.Fatal(err)
		}
		return peer{name, func(ctx context.Context) error { _, err := src.Token(ctx); return err },
			func(base http.RoundTripper) http.RoundTripper { return &smarthttp.Transport{Source: src, Base: base} }}
	case "oauth2":
		// By default it tries two ways to authenticate, and a failure costs two requests. This is the kinder setting.
		config := clientcredentials.Config{ClientID: "client", ClientSecret: "secret", TokenURL: w.TokenURL(),
			AuthStyle: oauth2.AuthStyleInHeader}
		src := config.TokenSource(context.WithValue(tb.Context(), oauth2.HTTPClient, w.Client()))
		return peer{name, func(context.Context) error { _, err := src.Token(); return err },
			func(base http.RoundTripper) http.RoundTripper { return &oauth2.Transport{Source: src, Base: base} }}
	case "google":
		credentials := newGoogle(provider{w})
		return peer{name, func(ctx context.Context) error { _, err := credentials.Token(ctx); return err },
			func(base http.RoundTripper) http.RoundTripper { return &googleTransport{credentials, base} }}
	case "aws":
		cache := aws.NewCredentialsCache(awsProvider(provider{w}))
		return peer{name, func(ctx context.Context) error { _, err := cache.Retrieve(ctx); return err }, nil}
	}
	panic(name)
}

// provider asks for a token each time: what the user of a cache writes himself.
type provider struct{ w *world }

func (p provider) Token(ctx context.Context) (*auth.Token, error) {
	form := strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.w.TokenURL(), form)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.w.Client().Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the token endpoint answers %s", resp.Status)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	expiry := time.Now().Add(time.Duration(answer.ExpiresIn) * time.Second)
	return &auth.Token{Value: answer.AccessToken, Expiry: expiry}, nil
}

func newGoogle(p auth.TokenProvider) *auth.Credentials {
	return auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: auth.NewCachedTokenProvider(p, nil)})
}

// awsProvider gives the token as the secret of a key, which is what the cache keeps.
func awsProvider(p auth.TokenProvider) aws.CredentialsProviderFunc {
	return func(ctx context.Context) (aws.Credentials, error) {
		token, err := p.Token(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		return aws.Credentials{AccessKeyID: "client", SecretAccessKey: token.Value, CanExpire: true, Expires: token.Expiry}, nil
	}
}

// googleTransport does what httptransport.AddAuthorizationMiddleware does, a package that brings gRPC with it.
type googleTransport struct {
	credentials *auth.Credentials
	base        http.RoundTripper
}

func (t *googleTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := t.credentials.Token(r.Context())
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Header.Set("Authorization", "Bearer "+token.Value)
	return t.base.RoundTrip(out)
}
