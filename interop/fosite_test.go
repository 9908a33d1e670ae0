package interop

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// fositePeer is Ory's framework below Hydra. Its client authentication, storage of used assertions and grant are as they come.
var fositePeer = goPeer{
	name:       "fosite",
	algs:       []string{"RS256", "RS384", "RS512", "PS384", "ES256", "ES384"},
	start:      startFosite,
	replayed:   "jti_known",
	wrongKey:   http.StatusUnauthorized,
	unknownKey: http.StatusBadRequest,
}

func startFosite(t *testing.T, base string, clients []client) (http.Handler, func(string) bool) {
	t.Helper()
	store := storage.NewMemoryStore()
	for _, c := range clients {
		registered := &fosite.DefaultOpenIDConnectClient{
			DefaultClient:                     &fosite.DefaultClient{ID: c.ID, GrantTypes: []string{"client_credentials"}, Scopes: []string{scope}},
			TokenEndpointAuthMethod:           "private_key_jwt",
			TokenEndpointAuthSigningAlgorithm: c.Alg,
			JSONWebKeysURI:                    c.JWKSURI,
		}
		if c.JWKS != nil {
			registered.JSONWebKeys = new(jose.JSONWebKeySet)
			if err := json.Unmarshal(c.JWKS, registered.JSONWebKeys); err != nil {
				t.Fatal(err)
			}
		}
		store.Clients[c.ID] = registered
	}
	config := &fosite.Config{
		GlobalSecret:        []byte("a secret of these tests, 32 bytes"),
		TokenURL:            base + "/oauth/token",
		AccessTokenLifespan: 5 * time.Minute,
		ScopeStrategy:       fosite.ExactScopeStrategy,
		JWKSFetcherStrategy: fetchJWKS{},
	}
	provider := compose.Compose(config, store, &compose.CommonStrategy{CoreStrategy: compose.NewOAuth2HMACStrategy(config)},
		compose.OAuth2ClientCredentialsGrantFactory, compose.OAuth2TokenIntrospectionFactory)

	token := func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		request, err := provider.NewAccessRequest(ctx, r, new(fosite.DefaultSession))
		if err != nil {
			provider.WriteAccessError(ctx, w, request, err)
			return
		}
		for _, scope := range request.GetRequestedScopes() {
			request.GrantScope(scope)
		}
		response, err := provider.NewAccessResponse(ctx, request)
		if err != nil {
			provider.WriteAccessError(ctx, w, request, err)
			return
		}
		provider.WriteAccessResponse(ctx, w, request, response)
	}
	granted := func(bearer string) bool {
		use, request, err := provider.IntrospectToken(context.Background(), bearer, fosite.AccessToken, new(fosite.DefaultSession))
		return err == nil && use == fosite.AccessToken && request.GetGrantedScopes().Has(scope)
	}
	return http.HandlerFunc(token), granted
}

// An assertion that fosite finds to be from the future, or to have expired, is answered with a 500 and not a refusal. A client
// whose clock is off gets its tokens all the same: each but the first at once.
func TestFositeWithAnotherClock(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			now := jwt.TimeFunc
			defer func() { jwt.TimeFunc = now }()
			jwt.TimeFunc = func() time.Time { return time.Now().Add(off) } // which assertions are judged by
			peer := fositePeer
			var answers []int
			peer.start = func(t *testing.T, base string, clients []client) (http.Handler, func(string) bool) {
				token, granted := startFosite(t, base, clients)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					rec := httptest.NewRecorder()
					token.ServeHTTP(rec, r)
					answers = append(answers, rec.Code)
					maps.Copy(w.Header(), rec.Header())
					w.Header().Set("Date", jwt.TimeFunc().UTC().Format(http.TimeFormat))
					w.WriteHeader(rec.Code)
					_, _ = w.Write(rec.Body.Bytes())
				}), granted
			}
			key := generateKey(t, "ES384")
			srv := startGo(t, peer, client{ID: "app", Alg: "ES384", JWKS: jwksOf(t, key, "ES384")})
			src, err := smartauth.New(srv.config(t, "app", "", key, ""))
			if err != nil {
				t.Fatal(err)
			}
			hc := smarthttp.NewClient(src, nil)
			for range 2 {
				searchPatients(t, hc, srv.FHIR)
				srv.revokeAll()
			}
			if want := []int{500, 200, 200}; !slices.Equal(answers, want) {
				t.Errorf("fosite answered %v, want %v", answers, want)
			}
		})
	}
}

// fetchJWKS stands in for fosite's own reader, whose cache leaves goroutines that nobody can end.
type fetchJWKS struct{}

func (fetchJWKS) Resolve(ctx context.Context, location string, _ bool) (*jose.JSONWebKeySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	set := new(jose.JSONWebKeySet)
	return set, json.NewDecoder(resp.Body).Decode(set)
}
