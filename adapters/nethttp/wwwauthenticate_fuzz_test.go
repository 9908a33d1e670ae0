package smarthttp_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// An outcome is what comes of a request that is answered with 401.
type outcome struct {
	status    int      // 0: an error
	challenge []string // what the caller gets of WWW-Authenticate
	told      string   // body, error and log
	requests  smarttest.Counts
}

type rejection int

const (
	once  rejection = iota // the new token is accepted
	final                  // the 401 goes to the caller
	alone                  // there is no new token: the caller gets an error
	rejections
)

// challenged creates a Patient at a FHIR server that answers 401 with the values. plain is the answer to a client without the
// library, nil if net/http does not take it.
func challenged(t *testing.T, key crypto.Signer, kind rejection, values []string) (found outcome, plain *http.Response) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		t.Cleanup(func() { time.Sleep(time.Minute) })
		var log bytes.Buffer
		cfg := s.NewClient(smarttest.ClientOptions{ID: "the-client", Key: key})
		cfg.Observer = smartauth.NewLogObserver(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		fault := smarttest.Fault{Status: http.StatusUnauthorized, Body: "no", Header: http.Header{"Www-Authenticate": values}}
		s.Fail(smarttest.FHIR, fault)
		if plain, err = s.Client().Get(s.BaseURL() + "/Patient"); err == nil {
			_ = plain.Body.Close()
		}
		before := s.Counts().FHIR

		switch kind {
		case once:
			fault.Times = 1
			s.Fail(smarttest.FHIR, fault)
		case alone:
			s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusBadRequest})
		}
		resp, err := smarthttp.NewClient(src, s.Client()).Post(s.BaseURL()+"/Patient", "application/fhir+json",
			strings.NewReader(`{"resourceType":"Patient"}`))
		found.told = fmt.Sprintf("%v\n%+v\n", err, err)
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			found.status, found.challenge = resp.StatusCode, resp.Header["Www-Authenticate"]
			if kind == final {
				found.told += string(body)
			}
		}
		synctest.Wait()
		found.told += log.String()
		found.requests = s.Counts()
		found.requests.FHIR -= before
	})
	return found, plain
}

// Nothing reads WWW-Authenticate (RFC 9110 section 11.6.1): whatever a 401 says in it, what is done and told is as if it said
// nothing, and the caller gets it as it came.
func FuzzWWWAuthenticate(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	silent := map[rejection]outcome{}
	f.Fuzz(func(t *testing.T, first, second string, times uint16) {
		values := []string{strings.Repeat(first, int(times%2048))}
		values = append(values, slices.Repeat([]string{second}, int(times%64))...)
		for kind := range rejections {
			want, known := silent[kind]
			if !known {
				want, _ = challenged(t, key, kind, nil)
				silent[kind] = want
			}
			due := map[rejection]struct{ status, sent int }{once: {201, 2}, final: {401, 2}, alone: {0, 1}}[kind]
			if n := want.requests; want.status != due.status || n.FHIR != due.sent || n.TokenRequests != 2 {
				t.Fatalf("without the field: status %d, requests %+v", want.status, n)
			}
			got, plain := challenged(t, key, kind, values)
			if plain == nil {
				if got.status != 0 || got.requests.TokenRequests != 1 || got.requests.FHIR != 1 {
					t.Errorf("status %d, requests %+v; without the library an error of net/http", got.status, got.requests)
				}
				continue
			}
			if got.status != want.status || got.requests != want.requests || got.told != want.told {
				t.Errorf("%d, %+v\n%s\nwithout the field:\n%d, %+v\n%s", got.status, got.requests, got.told, want.status, want.requests, want.told)
			}
			if kind == final && !slices.Equal(got.challenge, plain.Header["Www-Authenticate"]) {
				t.Errorf("the caller gets %q, without the library %q", got.challenge, plain.Header["Www-Authenticate"])
			}
		}
	})
}
