package koppeltaal

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// expiryLeeway is how far the local clock may be ahead: the server has judged exp already.
const expiryLeeway = time.Minute

// ErrNotALaunch is what [Client.Launch] returns, wrapped, for a token that is active or not, but no launch of this application.
var ErrNotALaunch = errors.New("koppeltaal: the token is not a launch of this application")

// A Launch is a person's start of this application's module, from a portal. [Client.Launch] has checked it. Printed or as JSON it
// tells nothing of the person; encoding/gob stores it whole.
type Launch struct {
	Issuer     string // client_id of the portal
	Subject    string // who launches: Patient/…, Practitioner/… or RelatedPerson/…
	Patient    string // whom it is about: Patient/…, empty if the portal does not say
	Resource   string // such as Task/…; it or Definition is there
	Definition string // canonical URL of the ActivityDefinition
	Intent     string
	Expiry     time.Time

	// TraceID is the jti of the HTI token, which is the X-Trace-Id of all that follows (TOP-KT-012c).
	TraceID string
}

// String returns a text without the person.
func (l Launch) String() string { return "koppeltaal.Launch(redacted)" }

// Format prints String, whatever the verb.
func (l Launch) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// MarshalJSON returns String as a JSON string, which cannot be read back.
func (l Launch) MarshalJSON() ([]byte, error) { return []byte(`"` + l.String() + `"`), nil }

// Trace returns a context for what follows from the launch.
func (l *Launch) Trace(ctx context.Context) context.Context { return inTrace(ctx, l.TraceID) }

// inTrace returns ctx in another trace, unless that has no id.
func inTrace(ctx context.Context, id string) context.Context {
	t := TraceFrom(ctx)
	if id = valid(id); id != "" {
		t.TraceID = id
	}
	return WithTrace(ctx, t)
}

// LaunchTrace returns a context in the trace of an HTI token, whose jti is its id (TOP-KT-012c), before anybody has checked the
// token: the page for a launch that fails then shows the id that Koppeltaal has, too. A handler behind [TraceMiddleware], which knows
// nothing of launches, sets the response's [HeaderTraceID] by it.
func LaunchTrace(ctx context.Context, htiToken string) context.Context {
	return inTrace(ctx, traceOf(htiToken))
}

// traceOf returns the jti of an HTI token that nobody has checked yet: it goes into a header and nowhere else.
func traceOf(htiToken string) string {
	var claims answer
	if parts := strings.Split(htiToken, "."); len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(payload, &claims)
	}
	return valid(claims.text("jti"))
}

var (
	person   = regexp.MustCompile(`^(Patient|Practitioner|RelatedPerson)/[A-Za-z0-9.-]{1,64}$`)
	patient  = regexp.MustCompile(`^(Patient/[A-Za-z0-9.-]{1,64})?$`)
	resource = regexp.MustCompile(`^([A-Z][A-Za-z]*/[A-Za-z0-9.-]{1,64})?$`)
)

// Launch introspects an HTI token, once, and returns the launch that it is. Active is no proof: the reference server says it of
// every client's assertions too. So the token must be for this application's Device and from another, by a person, still good, and
// with something to launch. Whatever is not so is [ErrNotALaunch], with the reason; other errors are those of [Client.Introspect].
func (c *Client) Launch(ctx context.Context, htiToken string) (*Launch, error) {
	i, err := c.Introspect(LaunchTrace(ctx, htiToken), htiToken)
	if err != nil {
		return nil, err
	}
	if why := i.refusal(c.Source.ClientID(), time.Now()); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrNotALaunch, why)
	}
	claims := i.claims()
	expiry, _ := claims.expiry()
	return &Launch{Issuer: claims.text("iss"), Subject: claims.text("sub"), Patient: claims.text("patient"),
		Resource: claims.text("resource"), Definition: claims.text("definition"), Intent: claims.text("intent"),
		Expiry: expiry, TraceID: cmp.Or(valid(claims.text("jti")), traceOf(htiToken))}, nil
}

// refusal returns why the token is no launch of the application, "" if it is one.
func (i *Introspection) refusal(clientID string, now time.Time) string {
	claims := i.claims()
	expiry, hasExpiry := claims.expiry()
	switch {
	case !i.Active:
		return "the server calls it inactive: it is used up, has expired, or is for another application"
	case !claims.isFor("Device/" + clientID):
		return "its aud is not Device/" + clientID
	case claims.text("iss") == "" || claims.text("iss") == clientID:
		return "it was not issued by another application"
	case !hasExpiry:
		return "it does not say when it expires"
	case !now.Before(expiry.Add(expiryLeeway)):
		return "it has expired"
	case claims.text("resource") == "" && claims.text("definition") == "":
		return "it has neither resource nor definition"
	}
	return claims.badReference(false)
}

// badReference returns what is wrong with sub, resource or patient, "" if nothing is: they become parts of FHIR URLs.
func (a answer) badReference(anonymous bool) string {
	sub, about := a.text("sub"), a.text("patient")
	switch {
	case !anonymous && !person.MatchString(sub):
		return "its sub is no Patient, Practitioner or RelatedPerson"
	case !resource.MatchString(a.text("resource")):
		return "its resource is no reference"
	case !patient.MatchString(about):
		return "its patient is no Patient"
	case strings.HasPrefix(sub, "Patient/") && about != "" && about != sub:
		return "its sub and its patient are different Patients"
	}
	return ""
}
