package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

// sandbox tells the story of one launch, against servers in this process.
func sandbox(ctx context.Context, addr string, out io.Writer, log *slog.Logger) (err error) {
	story := story{out}
	story.say("SANDBOX: the servers run in this process, the patients are made up, and nothing leaves this machine.")
	srv, err := smarttest.Start(smarttest.Options{})
	if err != nil {
		return err
	}
	defer srv.Close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	origin := "http://" + l.Addr().String()
	c, err := registered(srv, origin)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	module, err := start(l, c, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { err = errors.Join(err, module.stop()) }()
	story.say("service: %s, its keys at %s", origin+launchPath, c.jwksURL)

	report := checkUp(ctx, c, log)
	story.say("doctor: %v, %d checks", report.Status, len(report.Checks))
	if report.Status != doctor.Green {
		return errors.New("the sandbox is not in order")
	}
	followed := []smarttest.Endpoint{smarttest.Discovery, smarttest.Introspection, smarttest.TokenEndpoint, smarttest.FHIR}
	before := len(srv.Requests(followed...)) // those of the doctor
	status, header, heading, err := post(ctx, origin+launchPath, url.Values{"launch": {srv.LaunchToken(c.ClientID, nil)}, "iss": {srv.BaseURL()}})
	if err != nil {
		return err
	}
	story.say("A portal has the browser post a launch. The page is %d: %s\n", status, heading)
	hops := []hop{hopOf("POST "+launchPath, header)}
	var last []byte // the AuditEvent
	for _, r := range srv.Requests(followed...)[before:] {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		hops = append(hops, hopOf(r.Method+" "+path, r.Header))
		last = r.Body
	}
	story.tell(hops)
	if err := story.tellAudit(last); err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("the launch was answered with %d", status)
	}
	return nil
}

// registered makes a client of the sandbox, with the JWKS URL of the service.
func registered(srv *smarttest.Server, origin string) (c configuration, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return c, err
	}
	if c.key, err = smartauth.NewSigner(key, ""); err != nil {
		return c, err
	}
	c.Config = smartauth.Config{BaseURL: srv.BaseURL(), ClientID: "sandbox-module", Signer: c.key}
	c.jwksURL = origin + "/keys/" + strings.ToLower(rand.Text()[:10])
	srv.RegisterJWKSURL(c.ClientID, c.jwksURL)
	return c, nil
}

var heading = regexp.MustCompile(`<h1>(.*)</h1>`)

// post posts a form as a browser does, and returns the heading of the page.
func post(ctx context.Context, target string, form url.Values) (status int, header http.Header, shown string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	page, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if m := heading.FindSubmatch(page); m != nil {
		shown = string(m[1])
	}
	return resp.StatusCode, resp.Header, shown, err
}
