// The client of ../before with smartauth: a 401 is answered inside the call, at once, with one new token for everybody.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-resty/resty/v2"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartauth "github.com/smartauth-go/smartauth/core"
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
	signer, err := smartauth.ParseKey(s.KeyPEM, s.KeyID)
	if err != nil {
		return nil, err
	}
	src, err := smartauth.New(smartauth.Config{BaseURL: s.BaseURL, ClientID: s.ClientID, Signer: signer})
	if err != nil {
		return nil, err
	}
	client := resty.New().SetBaseURL(s.BaseURL).SetTimeout(30*time.Second).SetHeader("Accept", "application/fhir+json")
	if err := smartresty.Attach(client, src); err != nil {
		return nil, err
	}
	return &fhir{client}, nil
}
