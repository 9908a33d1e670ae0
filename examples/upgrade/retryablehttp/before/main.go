// A FHIR client on go-retryablehttp as many teams have it: it signs its own assertions, sets the token in a hook, and has the
// retries answer a 401. It works, but
//
//   - a 401 waits for RetryWaitMin, a second by default, and uses up one of the retries that are there for the server's
//     failures;
//   - everybody whose request was refused fetches a token, all at once;
//   - the hook cannot fail: without a token, the request goes out all the same;
//   - a 401 that stays costs a token for each attempt, and comes back as "giving up", without what the server said;
//   - the token goes to whatever URL the client is asked for, also on another host.
package main

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/smartauth-go/smartauth/examples/upgrade/internal/rehearsal"
)

func main() { rehearsal.Main(connect) }

type fhir struct {
	http *retryablehttp.Client
	base string
}

func (f *fhir) CountPatients(ctx context.Context) (int, error) {
	var bundle struct {
		Total int `json:"total"`
	}
	err := f.do(ctx, http.MethodGet, "/Patient?_count=1", nil, &bundle)
	return bundle.Total, err
}

func (f *fhir) CreateTask(ctx context.Context) (string, error) {
	var task struct {
		ID string `json:"id"`
	}
	err := f.do(ctx, http.MethodPost, "/Task", []byte(`{"resourceType":"Task","status":"ready","intent":"order"}`), &task)
	return task.ID, err
}

func (f *fhir) do(ctx context.Context, method, path string, body []byte, into any) error {
	r, err := retryablehttp.NewRequestWithContext(ctx, method, f.base+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/fhir+json")
	r.Header.Set("Content-Type", "application/fhir+json")
	resp, err := f.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func connect(s rehearsal.Settings) (rehearsal.Client, error) {
	key, err := jwt.ParseRSAPrivateKeyFromPEM(s.KeyPEM)
	if err != nil {
		return nil, err
	}
	tokens := &tokens{settings: s, key: key, http: &http.Client{Timeout: 10 * time.Second}}
	client := retryablehttp.NewClient()
	client.RetryMax, client.Logger = 3, nil
	client.RequestLogHook = func(_ retryablehttp.Logger, r *http.Request, _ int) {
		token, err := tokens.get(r.Context())
		if err != nil {
			log.Print(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	client.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if err == nil && resp.StatusCode == http.StatusUnauthorized {
			_, err := tokens.fetch(ctx)
			return err == nil, err
		}
		return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	}
	return &fhir{client, s.BaseURL}, nil
}

type tokens struct {
	settings rehearsal.Settings
	key      *rsa.PrivateKey
	http     *http.Client

	mu       sync.RWMutex
	endpoint string
	token    string
	expires  time.Time
}

func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.RLock()
	token, expires := t.token, t.expires
	t.mu.RUnlock()
	if time.Until(expires) > time.Minute {
		return token, nil
	}
	return t.fetch(ctx)
}

func (t *tokens) fetch(ctx context.Context) (string, error) {
	endpoint, err := t.discover(ctx)
	if err != nil {
		return "", err
	}
	now := time.Now()
	assertion := jwt.NewWithClaims(jwt.SigningMethodRS384, jwt.MapClaims{
		"iss": t.settings.ClientID,
		"sub": t.settings.ClientID,
		"aud": endpoint,
		"jti": uuid.NewString(),
		"iat": now.Unix(),
		"exp": now.Add(5 * time.Minute).Unix(),
	})
	assertion.Header["kid"] = t.settings.KeyID
	signed, err := assertion.SignedString(t.key)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"scope":                 {""},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {signed},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := t.read(r, &answer); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = answer.AccessToken
	t.expires = now.Add(time.Duration(answer.ExpiresIn) * time.Second)
	return t.token, nil
}

func (t *tokens) discover(ctx context.Context) (string, error) {
	t.mu.RLock()
	endpoint := t.endpoint
	t.mu.RUnlock()
	if endpoint != "" {
		return endpoint, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.settings.BaseURL+"/.well-known/smart-configuration", nil)
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	var doc struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := t.read(r, &doc); err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endpoint = doc.TokenEndpoint
	return t.endpoint, nil
}

func (t *tokens) read(r *http.Request, into any) error {
	resp, err := t.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
