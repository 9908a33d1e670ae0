package koppeltaal

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// ErrNotALaunch is what [Client.Launch] returns, wrapped, for a token that is active or not, but no launch of this application.
var ErrNotALaunch = errors.New("koppeltaal: the token is not a launch of this application")

// A Launch is a person's start of this application's module, from a portal. [Client.Launch] has checked it.
type Launch struct {
	Issuer     string // client_id of the portal
	Subject    string // who launches: Patient/…, Practitioner/… or RelatedPerson/…
	Patient    string // whom it is about, if the portal says so
	Resource   string // such as Task/…; it or Definition is there
	Definition string // canonical URL of the ActivityDefinition
	Intent     string
	Expiry     time.Time

	// TraceID is the jti of the HTI token, which is the X-Trace-Id of all that follows (TOP-KT-012c).
	TraceID string
}

// Trace returns a context for what follows from the launch.
func (l *Launch) Trace(ctx context.Context) context.Context {
	return WithTrace(ctx, Trace{CausedBy: TraceFrom(ctx).CausedBy, ID: l.TraceID})
}

var (
	person   = regexp.MustCompile(`^(Patient|Practitioner|RelatedPerson)/[A-Za-z0-9.-]{1,64}$`)
	resource = regexp.MustCompile(`^[A-Z][A-Za-z]*/[A-Za-z0-9.-]{1,64}$`)
)

// Launch introspects an HTI token, once, and returns the launch that it is. Active is no proof: the reference server says it of
// every client's assertions too. So the token must be for this application's Device and from another, by a person, still good, and
// with something to launch. Whatever is not so is [ErrNotALaunch], with the reason.
func (c *Client) Launch(ctx context.Context, htiToken string) (*Launch, error) {
	answer, err := c.Introspect(ctx, htiToken)
	if err != nil {
		return nil, err
	}
	own := c.Source.ClientID()
	expiry, hasExpiry := answer.claims.expiry()
	refused := func(why string) (*Launch, error) { return nil, fmt.Errorf("%w: %s", ErrNotALaunch, why) }
	switch {
	case !answer.Active:
		return refused("the server calls it inactive: it is used up, has expired, or is for another application")
	case !answer.claims.isFor("Device/" + own):
		return refused("its aud is not Device/" + own)
	case answer.claims.Issuer == "" || answer.claims.Issuer == own:
		return refused("it was not issued by another application")
	case !person.MatchString(answer.claims.Subject):
		return refused("its sub is no Patient, Practitioner or RelatedPerson")
	case !hasExpiry || !time.Now().Before(expiry):
		return refused("it has expired, or does not say when it does")
	case answer.claims.Resource == "" && answer.claims.Definition == "":
		return refused("it has neither resource nor definition")
	case answer.claims.Resource != "" && !resource.MatchString(answer.claims.Resource):
		return refused("its resource is no reference")
	}
	return &Launch{Issuer: answer.claims.Issuer, Subject: answer.claims.Subject, Patient: answer.claims.Patient,
		Resource: answer.claims.Resource, Definition: answer.claims.Definition, Intent: answer.claims.Intent,
		Expiry: expiry, TraceID: answer.claims.JTI}, nil
}
