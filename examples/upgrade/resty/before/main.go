// A FHIR client on resty as many teams have it: it signs its own assertions, sets the token on each request, and has resty's
// retries answer a 401. It works, but
//
//   - a 401 waits for RetryWaitTime, 100 ms at least, and needs a RetryCount;
//   - everybody whose request was refused fetches a token, one after the other, and waits for the mutex whatever their
//     context says;
//   - the condition takes the place of resty's own, so that network errors are not retried any more;
//   - if no token is to be had, the condition is asked without a response, and panics;
//   - the token goes to whatever URL the client is asked for, also on another host, and SetDebug prints it.
package main

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/smartauth-go/smartauth/examples/upgrade/internal/rehearsal"
)

func main() { rehearsal.Main(connect) }

type fhir struct{ http *resty.Client }

func (f *fhir) CountPatients(ctx context.Context) (int, error) {
	var bundle struct {
		Total int `json:"total"`
	}
	resp, err := f.http.R().SetContext(ctx).SetResult(&bundle).Get("/Patient?_count=1")
	if err != nil {
		return 0, err
	}
	if resp.IsError() {
		return 0, fmt.Errorf("search: %s", resp.Status())
	}
	return bundle.Total, nil
}

func (f *fhir) CreateTask(ctx context.Context) (string, error) {
	var task struct {
		ID string `json:"id"`
	}
	resp, err := f.http.R().SetContext(ctx).SetResult(&task).
		SetHeader("Content-Type", "application/fhir+json").
		SetBody(map[string]any{"resourceType": "Task", "status": "ready", "intent": "order"}).
		Post("/Task")
	if err != nil {
		return "", err
	}
	if resp.IsError() {
		return "", fmt.Errorf("create: %s", resp.Status())
	}
	return task.ID, nil
}

func connect(s rehearsal.Settings) (rehearsal.Client, error) {
	key, err := jwt.ParseRSAPrivateKeyFromPEM(s.KeyPEM)
	if err != nil {
		return nil, err
	}
	tokens := &tokens{settings: s, key: key, http: resty.New().SetTimeout(10 * time.Second)}
	client := resty.New().SetBaseURL(s.BaseURL).SetTimeout(30*time.Second).SetHeader("Accept", "application/fhir+json")
	client.SetRetryCount(1)
	client.OnBeforeRequest(func(_ *resty.Client, r *resty.Request) error {
		token, err := tokens.get(r.Attempt > 1)
		if err != nil {
			return err
		}
		r.SetAuthToken(token)
		return nil
	})
	client.AddRetryCondition(func(resp *resty.Response, _ error) bool {
		return resp.StatusCode() == http.StatusUnauthorized
	})
	return &fhir{client}, nil
}

type tokens struct {
	settings rehearsal.Settings
	key      *rsa.PrivateKey
	http     *resty.Client

	mu      sync.Mutex
	token   string
	expires time.Time
}

func (t *tokens) get(renew bool) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !renew && time.Now().Before(t.expires) {
		return t.token, nil
	}
	assertion, err := t.assertion()
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	resp, err := t.http.R().SetResult(&answer).
		SetFormData(map[string]string{
			"grant_type":            "client_credentials",
			"scope":                 "",
			"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
			"client_assertion":      assertion,
		}).
		Post(t.settings.TokenURL)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	if resp.IsError() {
		return "", fmt.Errorf("token: %s: %s", resp.Status(), resp)
	}
	t.token = answer.AccessToken
	t.expires = time.Now().Add(time.Duration(answer.ExpiresIn)*time.Second - time.Minute)
	return t.token, nil
}

func (t *tokens) assertion() (string, error) {
	now := time.Now()
	assertion := jwt.NewWithClaims(jwt.SigningMethodRS384, jwt.MapClaims{
		"iss": t.settings.ClientID,
		"sub": t.settings.ClientID,
		"aud": t.settings.TokenURL,
		"jti": uuid.NewString(),
		"iat": now.Unix(),
		"exp": now.Add(5 * time.Minute).Unix(),
	})
	assertion.Header["kid"] = t.settings.KeyID
	return assertion.SignedString(t.key)
}
