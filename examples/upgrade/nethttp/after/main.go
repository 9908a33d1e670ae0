// The client of ../before with smartauth: a revocation fails no call.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/examples/upgrade/internal/rehearsal"
)

func main() { rehearsal.Main(connect) }

type fhir struct {
	http *http.Client
	base string
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
	client := smarthttp.NewClient(src, &http.Client{Timeout: 30 * time.Second})
	return &fhir{http: client, base: s.BaseURL}, nil
}
