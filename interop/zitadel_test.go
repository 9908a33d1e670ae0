package interop

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// zitadelPeer is the OpenID provider below Zitadel. It verifies assertions for every grant but client_credentials, for which
// it asks for a secret: zitadelServer lets it do for that grant what it does for the others. It wants its issuer as the
// audience, takes the three algorithms of 256 bits only, and does not look at jti.
var zitadelPeer = goPeer{
	name:       "zitadel-oidc",
	algs:       []string{"RS256", "PS256", "ES256"},
	start:      startZitadel,
	byIssuer:   true,
	wrongKey:   http.StatusUnauthorized,
	unknownKey: http.StatusUnauthorized,
}

type zitadelServer struct{ *op.LegacyServer }

func (s zitadelServer) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	verifier, ok := s.Provider().(op.JWTAuthorizationGrantExchanger)
	if !ok || r.Data.ClientAssertion == "" {
		return s.LegacyServer.VerifyClient(ctx, r)
	}
	c, err := op.AuthorizePrivateJWTKey(ctx, r.Data.ClientAssertion, verifier)
	if err != nil {
		// Else it would be a 500: the error says no more than why the assertion is not good.
		return nil, op.NewStatusError(oidc.ErrInvalidClient().WithDescription("%v", err), http.StatusUnauthorized)
	}
	return c, nil
}

func startZitadel(t *testing.T, base string, clients []client) (http.Handler, func(string) bool) {
	t.Helper()
	store := &zitadelStore{clients: map[string]client{}, key: zitadelKey{generateKey(t, "RS256")}}
	for _, c := range clients {
		store.clients[c.ID] = c
	}
	provider, err := op.NewProvider(&op.Config{AuthMethodPrivateKeyJWT: true}, store, op.StaticIssuer(base), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	server := zitadelServer{op.NewLegacyServer(provider, *op.DefaultEndpoints)}
	granted := func(bearer string) bool {
		ctx := op.ContextWithIssuer(context.Background(), base)
		claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](ctx, bearer, provider.AccessTokenVerifier(ctx))
		return err == nil && slices.Contains(claims.Scopes, scope)
	}
	return op.RegisterLegacyServer(server, http.NotFound), granted
}

// zitadelStore has what the grant needs, and nothing else: to ask for more panics.
type zitadelStore struct {
	op.Storage
	clients map[string]client
	key     zitadelKey

	mu     sync.Mutex
	tokens int
}

func (s *zitadelStore) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if _, ok := s.clients[id]; !ok {
		return nil, errors.New("unknown client")
	}
	return zitadelClient{id: id}, nil
}

func (s *zitadelStore) GetKeyByIDAndClientID(ctx context.Context, kid, id string) (*jose.JSONWebKey, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, errors.New("unknown client")
	}
	set := new(jose.JSONWebKeySet)
	if c.JWKSURI != "" {
		fetched, err := fetchJWKS{}.Resolve(ctx, c.JWKSURI, true)
		if err != nil {
			return nil, err
		}
		if c.JWKS, err = json.Marshal(fetched); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(c.JWKS, set); err != nil {
		return nil, err
	}
	keys := set.Key(kid)
	if len(keys) != 1 {
		return nil, errors.New("unknown key")
	}
	return &keys[0], nil
}

func (s *zitadelStore) ClientCredentials(context.Context, string, string) (op.Client, error) {
	return nil, errors.New("no client has a secret")
}

func (s *zitadelStore) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	for _, asked := range scopes {
		if asked != scope {
			return nil, oidc.ErrInvalidScope()
		}
	}
	return zitadelRequest{id, scopes}, nil
}

func (s *zitadelStore) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens++
	return strconv.Itoa(s.tokens), time.Now().Add(5 * time.Minute), nil
}

func (s *zitadelStore) GetPrivateClaimsFromScopes(_ context.Context, _, _ string, scopes []string) (map[string]any, error) {
	return map[string]any{"scope": oidc.SpaceDelimitedArray(scopes)}, nil
}

func (s *zitadelStore) SigningKey(context.Context) (op.SigningKey, error) {
	return zitadelSigner{s.key.key}, nil
}

func (s *zitadelStore) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (s *zitadelStore) KeySet(context.Context) ([]op.Key, error) { return []op.Key{s.key}, nil }

type zitadelRequest struct {
	subject string
	scopes  []string
}

func (r zitadelRequest) GetSubject() string    { return r.subject }
func (r zitadelRequest) GetAudience() []string { return []string{"fhir-server"} }
func (r zitadelRequest) GetScopes() []string   { return r.scopes }

type zitadelSigner struct{ key crypto.Signer }

func (k zitadelSigner) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k zitadelSigner) Key() any                                    { return k.key }
func (k zitadelSigner) ID() string                                  { return "interop" }

type zitadelKey struct{ key crypto.Signer }

func (k zitadelKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k zitadelKey) Use() string                        { return "sig" }
func (k zitadelKey) Key() any                           { return k.key.Public() }
func (k zitadelKey) ID() string                         { return "interop" }

type zitadelClient struct {
	op.Client
	id string
}

func (c zitadelClient) GetID() string               { return c.id }
func (c zitadelClient) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodPrivateKeyJWT }
func (c zitadelClient) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeClientCredentials}
}
func (c zitadelClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (c zitadelClient) ClockSkew() time.Duration            { return 0 }
func (c zitadelClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
