package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/smartauth-go/smartauth/koppeltaal"
)

// An auditEvent tells the domain of a launch that was received, by the mapping of TOP-KT-012c, which is that of a launch that
// succeeded, too. No person is in it, only references.
type auditEvent struct {
	ResourceType string            `json:"resourceType"`
	Meta         meta              `json:"meta"`
	Extension    []extension       `json:"extension"`
	Type         coding            `json:"type"`
	Subtype      []coding          `json:"subtype"`
	Action       string            `json:"action"`
	Recorded     string            `json:"recorded"`
	Outcome      string            `json:"outcome"`
	OutcomeDesc  string            `json:"outcomeDesc,omitempty"`
	Agent        []agent           `json:"agent"`
	Source       source            `json:"source"`
	Entity       []map[string]what `json:"entity"`
}

type (
	meta struct {
		Profile []string `json:"profile"`
	}
	extension struct {
		URL     string `json:"url"`
		ValueID string `json:"valueId"`
	}
	coding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display"`
	}
	what struct {
		Reference string `json:"reference"`
	}
	agent struct {
		Type      map[string][]coding `json:"type"`
		Who       what                `json:"who"`
		Requestor bool                `json:"requestor"`
	}
	source struct {
		Site     string `json:"site,omitempty"`
		Observer what   `json:"observer"`
	}
)

const structures = "http://koppeltaal.nl/fhir/StructureDefinition/"

// Of http://hl7.org/fhir/audit-event-outcome.
const (
	succeeded  = "0"
	expected   = "4" // a failure by what was launched
	unexpected = "8" // a failure of ours, or of Koppeltaal
)

// audit writes the AuditEvent of a launch, err being why it failed. One that cannot be written is in the log, and stops no launch.
// There is none before the token was introspected: anybody could have them written then, and about nothing.
func (s *service) audit(ctx context.Context, page *opened, err error) {
	ctx = context.WithoutCancel(page.Launch.Trace(ctx)) // the browser may be gone
	resp, failed := s.fhir.R().SetContext(ctx).SetHeader("Content-Type", "application/fhir+json").
		SetBody(s.eventOf(koppeltaal.TraceFrom(ctx), page, err)).Post("/AuditEvent")
	if failed == nil && resp.StatusCode() != http.StatusCreated {
		failed = errors.New(resp.Status()) // 403 is a role that may not create an AuditEvent
	}
	if failed != nil {
		s.log.ErrorContext(ctx, "a launch has no AuditEvent", "error", failed)
	}
}

// eventOf returns the AuditEvent of a launch. Its ids are those of the request of the browser.
func (s *service) eventOf(t koppeltaal.Trace, page *opened, err error) auditEvent {
	dicom := func(code, display string) coding {
		return coding{"http://dicom.nema.org/resources/ontology/DCM", code, display}
	}
	self := what{"Device/" + s.src.ClientID()}
	about := what{cmp.Or(page.Launch.Resource, self.Reference)}
	if version := page.Task.Meta.VersionID; version != "" && page.Task.reference() == about.Reference {
		about.Reference += "/_history/" + version
	}
	event := auditEvent{
		ResourceType: "AuditEvent",
		Meta:         meta{[]string{structures + "KT2AuditEvent"}},
		Type:         dicom("110100", "Application Activity"),
		Subtype:      []coding{dicom("110120", "Application Start")},
		Action:       "E",
		Recorded:     time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Outcome:      succeeded,
		Agent:        []agent{{map[string][]coding{"coding": {dicom("110150", "Application")}}, self, false}}, // the portal launched
		Source:       source{s.site, self},
		Entity:       []map[string]what{{"what": about}},
	}
	for _, id := range []extension{{"request-id", t.RequestID}, {"correlation-id", t.CorrelationID}, {"trace-id", t.TraceID}} {
		if id.ValueID != "" {
			event.Extension = append(event.Extension, extension{structures + id.URL, id.ValueID})
		}
	}
	if err != nil {
		event.Outcome, event.OutcomeDesc = unexpected, err.Error()
		if r := (*refusal)(nil); errors.As(err, &r) && r.status < http.StatusInternalServerError {
			event.Outcome = expected
		}
	}
	return event
}

// siteOf returns the base URL of the application, which is where it publishes its keys; empty if it does not.
func siteOf(jwksURL string) string {
	u, err := url.Parse(jwksURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return fmt.Sprintf("%s://%s", u.Scheme, u.Host)
}
