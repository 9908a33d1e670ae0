package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-resty/resty/v2"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

const (
	fhirTimeout = 20 * time.Second
	fhirMost    = 1 << 20 // bytes of a resource
)

// configuration is what the service is told.
type configuration struct {
	smartauth.Config
	key      smartauth.PublicSigner // to rotate it, a jwks.Ring takes its place: see docs/keys.md
	keyFile  string
	readPath string
	jwksURL  string // that is registered; empty if a PEM is
}

var servable = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// jwksPath returns where the keys are published, empty if they are not.
func (c configuration) jwksPath() (string, error) {
	if c.jwksURL == "" {
		return "", nil
	}
	u, err := url.Parse(c.jwksURL)
	switch {
	case err != nil || !u.IsAbs() || !servable.MatchString(u.EscapedPath()):
		return "", errors.New("Options.JWKSURL is no URL with a path of letters, digits and . _ ~ -")
	case strings.HasPrefix(u.Path, "/.well-known/"): // TOP-KT-020: whoever gets hold of a lapsed domain could publish keys for us
		return "", errors.New("the path of Options.JWKSURL can be guessed; choose another, such as /keys/5f2c81")
	case u.Path == launchPath:
		return "", errors.New("the path of Options.JWKSURL is that of launches")
	}
	return u.Path, nil
}

// A service is what the handlers need of Koppeltaal.
type service struct {
	src      *smartauth.Source
	launches *koppeltaal.Client
	fhir     *resty.Client
	log      *slog.Logger
	site     string // the application's base URL, for AuditEvents

	underway sync.RWMutex // read-locked by each launch, and locked for good when the service stops
}

func newService(c configuration, log *slog.Logger) (*service, error) {
	c.Observer = smartauth.MultiObserver(koppeltaal.NewTraceObserver(), smartauth.NewLogObserver(log))
	src, err := smartauth.New(c.Config)
	if err != nil {
		return nil, err
	}
	// The trace is below the authentication: a request that is sent again after a 401 has a request id of its own.
	traced := &http.Client{Transport: &koppeltaal.TraceTransport{Base: http.DefaultTransport}, Timeout: fhirTimeout}
	fhir := resty.NewWithClient(traced).SetBaseURL(src.BaseURL()).SetHeader("Accept", "application/fhir+json").
		SetResponseBodyLimit(fhirMost).SetLogger(restyLogger{log})
	if err := smartresty.Attach(fhir, src); err != nil {
		return nil, err
	}
	return &service{src: src, launches: &koppeltaal.Client{Source: src}, fhir: fhir, log: log, site: siteOf(c.jwksURL)}, nil
}

// handler returns all that the service serves.
func (s *service) handler(c configuration) (http.Handler, error) {
	path, err := c.jwksPath()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+launchPath, s.serveLaunch)
	if path == "" {
		s.log.Warn("no keys are published: there is no JWKS URL")
	} else {
		mux.Handle(path, jwks.Handler(jwks.Keys{jwks.KeyOf(c.key)}, 5*time.Minute))
	}
	return koppeltaal.TraceMiddleware(mux), nil
}

// restyLogger has resty write to the service's log, where it would write lines of its own.
type restyLogger struct{ log *slog.Logger }

func (l restyLogger) Errorf(format string, v ...any) {
	l.log.Error("resty: " + fmt.Sprintf(format, v...))
}
func (l restyLogger) Warnf(format string, v ...any) {
	l.log.Warn("resty: " + fmt.Sprintf(format, v...))
}
func (l restyLogger) Debugf(string, ...any) {} // would have headers
