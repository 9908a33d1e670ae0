package smarttest

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const fhirJSON = "application/fhir+json; charset=utf-8"

// A fhirServer is a resource server with a small store behind it. It checks tokens itself and asks nobody.
type fhirServer struct {
	profile   Profile
	base      string
	clock     clock
	tokens    *tokenIssuer
	refuseAll atomic.Bool
	store     *store
}

func newFHIRServer(s *Server) *fhirServer {
	f := &fhirServer{profile: s.opts.Profile, base: s.BaseURL(), tokens: &s.auth.tokens}
	f.store = seededStore(f.clock.now())
	return f
}

func (s *Server) routeFHIR(w http.ResponseWriter, r *http.Request) {
	identify(w.Header(), r.Header)
	rest, tenant := tail(r.URL.Path)
	endpoint, h := FHIR, http.HandlerFunc(s.serveFHIR)
	if tenant && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		switch rest {
		case "/.well-known/smart-configuration":
			endpoint, h = Discovery, s.serveDiscovery
		case "/metadata":
			endpoint, h = Metadata, s.serveMetadata
		}
	}
	s.handle(endpoint, &s.fhir.clock, w, r, h)
}

var requestID = regexp.MustCompile(`^[A-Za-z0-9._ -]+$`)

// identify does what the Koppeltaal reference server does with the headers of TOP-KT-011: every response has a request id
// and a trace id, and a request id that it does not like becomes the correlation id.
func identify(out, in http.Header) {
	id := in.Get("X-Request-Id")
	if !requestID.MatchString(id) {
		if id != "" {
			out.Set("X-Correlation-Id", id)
		}
		id = uuid.NewString()
	}
	out.Set("X-Request-Id", id)
	trace := in.Get("X-Trace-Id")
	if trace == "" {
		trace = uuid.NewString()
	}
	out.Set("X-Trace-Id", trace)
}

func (s *Server) serveFHIR(w http.ResponseWriter, r *http.Request) {
	rest, tenant := tail(r.URL.Path)
	if r.Method == http.MethodGet && r.URL.Path != "/fhir" && !strings.HasPrefix(r.URL.Path, "/fhir/") {
		http.NotFound(w, r)
		return
	}
	if guide, _ := strings.CutPrefix(rest, "/"); tenant && r.Method == http.MethodGet && strings.HasPrefix(guide+"/", "ImplementationGuide/") {
		s.fhir.interact(w, r, guide, "system/ImplementationGuide.rs") // open, as the CapabilityStatement is
		return
	}
	claims, ok := s.fhir.authenticate(w, r)
	switch {
	case !ok:
	case r.URL.Path == "/fhir/metadata": // open only below a tenant
		s.serveMetadata(w, r)
	case !tenant:
		outcome(w, http.StatusNotFound, "not-found", "there is nothing at "+r.URL.Path)
	default:
		scope, _ := claims["scope"].(string)
		s.fhir.interact(w, r, strings.TrimPrefix(rest, "/"), scope)
	}
}

// authenticate returns the claims of the bearer, or refuses the request.
func (f *fhirServer) authenticate(w http.ResponseWriter, r *http.Request) (jwt.MapClaims, bool) {
	raw, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer || f.refuseAll.Load() {
		f.unauthorized(w, r, "there is no bearer token that is accepted")
		return nil, false
	}
	claims, err := f.tokens.check(raw, f.clock.now())
	switch {
	case err == nil:
		return claims, true
	case errors.Is(err, errUnknownAlgorithm) && f.profile == Koppeltaal:
		writeText(w, http.StatusInternalServerError, "text/plain; charset=utf-8", "Internal Server Error")
	default:
		f.unauthorized(w, r, err.Error())
	}
	return nil, false
}

// unauthorized says as little as the Koppeltaal reference server does, or what RFC 6750 section 3 asks for.
func (f *fhirServer) unauthorized(w http.ResponseWriter, r *http.Request, why string) {
	if f.profile != SMART {
		writeText(w, http.StatusUnauthorized, "text/plain; charset=utf-8", "Unauthorized")
		return
	}
	challenge := `Bearer error="invalid_token"`
	if r.Header.Get("Authorization") == "" {
		challenge = "Bearer"
	}
	w.Header().Set("WWW-Authenticate", challenge)
	outcome(w, http.StatusUnauthorized, "login", why)
}

func (f *fhirServer) forbidden(w http.ResponseWriter) {
	diagnostics := "Unauthorized" // so the Koppeltaal reference server puts it
	if f.profile == SMART {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		diagnostics = "the token's scope does not allow this"
	}
	outcome(w, http.StatusForbidden, "forbidden", diagnostics)
}

// outcome answers with an OperationOutcome; code is of http://hl7.org/fhir/issue-type.
func outcome(w http.ResponseWriter, status int, code, diagnostics string) {
	writeJSON(w, status, fhirJSON, map[string]any{
		"resourceType": "OperationOutcome",
		"issue":        []any{map[string]any{"severity": "error", "code": code, "diagnostics": diagnostics}},
	})
}
