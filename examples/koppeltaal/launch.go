package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/smartauth-go/smartauth/koppeltaal"
)

const (
	launchPath = "/launch"
	formMost   = 64 << 10 // bytes of a posted launch
)

// A refusal is an error with what the user is told.
type refusal struct {
	status int
	say    string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// serveLaunch answers to the form that a portal has the browser post, with launch and iss.
func (s *service) serveLaunch(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formMost)
	err := r.ParseForm()
	ctx := koppeltaal.LaunchTrace(r.Context(), r.PostForm.Get("launch"))
	w.Header().Set(koppeltaal.HeaderTraceID, koppeltaal.TraceFrom(ctx).TraceID)
	if err != nil {
		s.complain(ctx, w, &refusal{http.StatusBadRequest, sayAgain, err})
		return
	}
	if !s.underway.TryRLock() { // and the token is not used up
		s.complain(ctx, w, &refusal{http.StatusServiceUnavailable, sayLater, errors.New("the service stops")})
		return
	}
	defer s.underway.RUnlock()
	page, err := s.open(ctx, r.PostForm)
	if page != nil {
		s.audit(ctx, page, err)
	}
	if err != nil {
		s.complain(ctx, w, err)
		return
	}
	// The application begins a session here, and sends the browser to a page of its own with 303: a launch that is posted again
	// is used up.
	s.show(ctx, w, http.StatusOK, taskPage, page)
}

// open introspects a launch, and reads what it is about. The page is nil if it is no launch.
func (s *service) open(ctx context.Context, form url.Values) (*opened, error) {
	token, iss := form.Get("launch"), form.Get("iss")
	switch {
	case token == "":
		return nil, &refusal{http.StatusBadRequest, sayAgain, errors.New("there is no launch in the form")}
	case strings.TrimSuffix(iss, "/") != s.src.BaseURL(): // before the token is used up
		return nil, &refusal{http.StatusBadRequest, sayAgain, errors.New("its iss is another FHIR server: " + shown(iss))}
	}
	launch, err := s.launches.Launch(ctx, token)
	switch {
	case errors.Is(err, koppeltaal.ErrNotALaunch):
		return nil, &refusal{http.StatusForbidden, sayAgain, err}
	case err != nil: // and not again: the token may be used up
		return nil, &refusal{http.StatusBadGateway, sayLater, err}
	}
	ctx = launch.Trace(ctx)
	s.log.InfoContext(ctx, "launched", "portal", launch.Issuer, "resource", launch.Resource, "definition", launch.Definition)
	page := &opened{Launch: launch}
	return page, s.readInto(ctx, page)
}

// readInto reads the Task of a launch, and the Patient it is about.
func (s *service) readInto(ctx context.Context, page *opened) error {
	if !strings.HasPrefix(page.Launch.Resource, "Task/") {
		return &refusal{http.StatusBadRequest, sayAgain, errors.New("the launch is not of a Task")}
	}
	header, err := s.read(ctx, page.Launch.Resource, &page.Task)
	if err != nil {
		return err
	}
	patient, own := page.Launch.Patient, strings.TrimPrefix(page.Task.For.Reference, s.src.BaseURL()+"/")
	switch {
	case patient == "" && strings.HasPrefix(own, "Patient/"):
		patient, ctx = own, koppeltaal.CausedBy(ctx, header) // what the Task says is the cause of the next request
	case patient == "" || patient != own: // nobody may see the data of one in the name of another
		return &refusal{http.StatusForbidden, sayAgain, errors.New("the launch and its Task are not about the same Patient")}
	}
	_, err = s.read(ctx, patient, &page.Patient)
	return err
}

// read reads a resource by its reference.
func (s *service) read(ctx context.Context, reference string, into resource) (http.Header, error) {
	resp, err := s.fhir.R().SetContext(ctx).Get("/" + reference)
	switch {
	case err != nil:
		return nil, &refusal{http.StatusBadGateway, sayLater, err}
	case resp.StatusCode() == http.StatusNotFound || resp.StatusCode() == http.StatusGone:
		return nil, &refusal{http.StatusNotFound, sayGone, fmt.Errorf("GET %s: %s", reference, resp.Status())}
	case resp.StatusCode() != http.StatusOK: // 403 is a role without the right, 401 a server that refuses new tokens
		return nil, &refusal{http.StatusBadGateway, sayLater, fmt.Errorf("GET %s: %s", reference, resp.Status())}
	}
	if err := decode(resp.Body(), reference, into); err != nil {
		return nil, &refusal{http.StatusBadGateway, sayLater, fmt.Errorf("GET %s: %w", reference, err)}
	}
	return resp.Header(), nil
}

// shown is where a URL from elsewhere leads to, without what may be secret in it.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || len(raw) > 255 {
		return "(no URL)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
