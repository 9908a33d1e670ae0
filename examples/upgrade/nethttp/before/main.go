// A FHIR client on net/http as many teams have it: the token is in a struct under a mutex, and is fetched again when it is
// about to expire. It works as long as nobody revokes a token, but
//
//   - a 401 fails the call; the best it does is to have the next call fetch a token;
//   - one call in every lifetime waits for the new token, and all others wait for the mutex, whatever their context says;
//   - the one that fetches does so under its own context: if that ends, the others start again;
//   - a minute before the end is a guess: tokens that last a minute or less are fetched for each call.
package main

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/smartauth-go/smartauth/examples/upgrade/internal/rehearsal"
)

func main() { rehearsal.Main(connect) }

type fhir struct {
	http *http.Client
	base string

	settings rehearsal.Settings
	key      *rsa.PrivateKey

	mu      sync.Mutex
	token   string
	expires time.Time
}

func (f *fhir) CountPatients(ctx context.Context) (int, error) {
	var bundle struct {
		Total int `json:"total"`
	}
	err := f.do(ctx, http.MethodGet, "/Patient?_count=1", "", &bundle)
	return bundle.Total, err
}

func (f *fhir) CreateTask(ctx context.Context) (string, error) {
	var task struct {
		ID string `json:"id"`
	}
	err := f.do(ctx, http.MethodPost, "/Task", `{"resourceType":"Task","status":"ready","intent":"order"}`, &task)
	return task.ID, err
}

func (f *fhir) do(ctx context.Context, method, path, body string, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, f.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	token, err := f.accessToken(ctx)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/fhir+json")
	r.Header.Set("Content-Type", "application/fhir+json")
	resp, err := f.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		f.forget(token)
	}
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
	client := &http.Client{Timeout: 30 * time.Second}
	return &fhir{http: client, base: s.BaseURL, settings: s, key: key}, nil
}

func (f *fhir) accessToken(ctx context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Until(f.expires) > time.Minute {
		return f.token, nil
	}
	assertion, err := f.assertion()
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"scope":                 {""},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.settings.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := f.http.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("token: %s", resp.Status)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	f.token = answer.AccessToken
	f.expires = time.Now().Add(time.Duration(answer.ExpiresIn) * time.Second)
	return f.token, nil
}

func (f *fhir) forget(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token == token {
		f.expires = time.Time{}
	}
}

func (f *fhir) assertion() (string, error) {
	now := time.Now()
	assertion := jwt.NewWithClaims(jwt.SigningMethodRS384, jwt.MapClaims{
		"iss": f.settings.ClientID,
		"sub": f.settings.ClientID,
		"aud": f.settings.TokenURL,
		"jti": uuid.NewString(),
		"iat": now.Unix(),
		"exp": now.Add(5 * time.Minute).Unix(),
	})
	assertion.Header["kid"] = f.settings.KeyID
	return assertion.SignedString(f.key)
}
