// The client of ../before with smartauth: a 401 is answered inside the attempt, at once, with one new token for everybody, and
// the retries are left to the server's failures.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hashicorp/go-retryablehttp"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
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
	signer, err := smartauth.ParseKey(s.KeyPEM, s.KeyID)
	if err != nil {
		return nil, err
	}
	src, err := smartauth.New(smartauth.Config{BaseURL: s.BaseURL, ClientID: s.ClientID, Signer: signer})
	if err != nil {
		return nil, err
	}
	client := retryablehttp.NewClient()
	client.RetryMax, client.Logger = 3, nil
	if err := smartretryable.Attach(client, src); err != nil {
		return nil, err
	}
	return &fhir{client, s.BaseURL}, nil
}
