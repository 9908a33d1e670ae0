package doctor

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// Options say what to look at. Config is required; the zero values of the others leave their checks out, or are what they say.
type Options struct {
	// Config is the application's own. If it has no Signer, the key is read from KeyFile. Its Observer is not told of the
	// doctor's requests.
	Config smartauth.Config

	// KeyFile is where the private key comes from: who may read the file is checked.
	KeyFile string

	// KeyID is the kid of a key that is read from KeyFile; empty means the RFC 7638 thumbprint.
	KeyID string

	// JWKSURL is where the application publishes its public keys: the URL that is registered for the client.
	JWKSURL string

	// ReadPath is what is read with the token, after the base URL and "/"; empty means Patient?_count=1.
	ReadPath string

	// Timeout is the limit of each request; 0 means 10 s.
	Timeout time.Duration
}

// Names of the checks, in their order.
const (
	settings      = "settings"
	discovery     = "discovery"
	https         = "https"
	tokenEndpoint = "token endpoint"
	clock         = "clock"
	key           = "key"
	keyFile       = "key file"
	jwksURL       = "JWKS URL"
	jwksAnswer    = "JWKS answer"
	jwksKey       = "JWKS key"
	jwksCaching   = "JWKS caching"
	algorithm     = "algorithm"
	token         = "token"
	scope         = "scope"
	read          = "read"
)

// Run makes the checks, one after the other. Those that depend on one that failed are skipped, and say so. It ends in time
// whatever servers, transports and signers do: each check is over a second after Options.Timeout, except for read, which waits 3 s more
// for a FHIR server whose clock is behind, and all are when ctx ends. What was not looked at for that is a failure, too.
func Run(ctx context.Context, o Options) Report {
	d := newDoctor(o)
	began := time.Now()
	for _, s := range []struct {
		name  string
		needs []string
		look  func(context.Context) Check
	}{
		{settings, nil, d.settings},
		{discovery, []string{settings}, d.discovery},
		{https, nil, d.https},
		{tokenEndpoint, []string{settings, discovery}, d.tokenEndpoint},
		{clock, []string{settings, discovery, tokenEndpoint}, d.clock},
		{key, nil, d.key},
		{keyFile, nil, d.keyFile},
		{jwksURL, nil, d.jwksURL},
		{jwksAnswer, []string{jwksURL}, d.jwksAnswer},
		{jwksKey, []string{key, jwksAnswer}, d.jwksKey},
		{jwksCaching, []string{jwksAnswer}, d.jwksCaching},
		{algorithm, []string{settings, discovery, key, tokenEndpoint}, d.algorithm},
		{token, []string{settings, discovery, key, tokenEndpoint}, d.token},
		{scope, []string{token}, d.scope},
		{read, []string{token}, d.read},
	} {
		check, blocked := d.blocked(ctx, s.needs)
		if !blocked {
			limit := d.limit + time.Second
			if s.name == read {
				limit += waitedFor
			}
			limited, cancel := context.WithTimeout(ctx, limit)
			check = s.look(limited)
			cancel()
		}
		check.Name = s.name
		d.report.Checks = append(d.report.Checks, check)
	}
	d.report.Time, d.report.Took, d.report.Requests = began, time.Since(began), d.log.requests()
	for _, c := range d.report.Checks {
		if c.Status != Skipped {
			d.report.Status = max(d.report.Status, c.Status)
		}
	}
	return d.report
}

// doctor is what is known while the checks go on.
type doctor struct {
	Options
	limit  time.Duration
	client *http.Client // as the application's, with its requests recorded
	log    *recorder
	report Report

	signing error // why there is no key, nil if there is one
	src     *smartauth.Source
	meta    *smartauth.Metadata // nil if there was no discovery
	issued  *smartauth.Token
	ours    ourKey
	jwks    *answer

	behind    bool   // this machine's clock is, and so far that it may be why
	late      bool   // the time was up before all was looked at
	clockFine bool   // so that it is not why an assertion is refused
	published bool   // the JWKS has the very key that signs
	jwkAlg    string // that the JWKS holds the key to
	unlisted  bool   // the server does not say that it takes the algorithm
	unsigned  bool   // nothing can be signed
	endpoint  *url.URL
}

func newDoctor(o Options) *doctor {
	d := &doctor{Options: o, limit: cmp.Or(o.Timeout, 10*time.Second), log: &recorder{}}
	own := http.Client{}
	if o.Config.HTTPClient != nil {
		own = *o.Config.HTTPClient
	}
	d.log.base = own.Transport
	own.Transport = d.log
	if own.Timeout == 0 || own.Timeout > d.limit {
		own.Timeout = d.limit
	}
	d.client = &own
	d.Config.HTTPClient, d.Config.Observer = d.client, nil
	d.report.ClientID, d.report.JWKSURL = o.Config.ClientID, shownURL(o.JWKSURL)
	if d.Config.Signer == nil {
		d.Config.Signer, d.signing = d.readKey()
	}
	return d
}

func (d *doctor) readKey() (smartauth.Signer, error) {
	if d.KeyFile == "" {
		return nil, errors.New("there is none: Config.Signer and Options.KeyFile are empty")
	}
	signer, err := smartauth.ReadKeyFile(d.KeyFile, nil, d.KeyID)
	if err != nil {
		return nil, err // and no nil pointer in an interface
	}
	return signer, nil
}

// standIn is a key for discovery, which needs none, where the client's cannot be had.
func standIn() smartauth.Signer {
	_, private, _ := ed25519.GenerateKey(rand.Reader) // it does not fail
	signer, err := smartauth.NewSigner(private, "")
	if err != nil {
		panic(err) // Ed25519 is a kind that signs
	}
	return signer
}

// blocked tells whether a check that needs others cannot be made.
func (d *doctor) blocked(ctx context.Context, needs []string) (Check, bool) {
	if ctx.Err() != nil {
		if !d.late {
			d.late = true
			return red("not checked: the time is up", "give it more: the checks above say what took so long"), true
		}
		return skipped("not checked: the time is up"), true
	}
	for _, need := range needs {
		c := d.check(need)
		switch c.Status {
		case Red:
			return skipped(fmt.Sprintf("not checked, as %s failed", need)), true
		case Skipped:
			return skipped(c.Found), true // of the first that could not be made
		}
	}
	return Check{}, false
}

// check returns one that was made already.
func (d *doctor) check(name string) *Check {
	i := slices.IndexFunc(d.report.Checks, func(c Check) bool { return c.Name == name })
	if i < 0 {
		return &Check{Name: name, Status: Skipped}
	}
	return &d.report.Checks[i]
}

// notFailed tells whether checks were made and did not fail.
func (d *doctor) notFailed(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return d.check(name).Status >= Red })
}
