package koppeltaal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// printed is everything that was printed, in every way there is; usual leaves out %p and %w, which ask no Formatter.
type printed struct {
	bytes.Buffer
	usual bool
}

func (p *printed) print(values ...any) {
	for _, v := range values {
		for _, verb := range "vsqdxXtbcoOUeEfFgGpTw" {
			if !p.usual || !strings.ContainsRune("pw", verb) {
				fmt.Fprintf(p, "%"+string(verb)+"\n", v)
			}
		}
		fmt.Fprintf(p, "%+v %#v %#x %+q\n", v, v, v, v)
		if j, err := json.Marshal(v); err == nil {
			p.Write(j)
		}
		slog.New(slog.NewJSONHandler(p, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(p, nil)).Info("x", "v", v)
	}
}

func (p *printed) printErrors(err error) {
	for ; err != nil; err = errors.Unwrap(err) {
		p.print(err)
	}
}

func (p *printed) mustNotHold(t *testing.T, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		for _, form := range []string{s, fmt.Sprintf("%x", s), fmt.Sprintf("%X", s), strings.Trim(fmt.Sprintf("%d", []byte(s)), "[]")} {
			if s != "" && strings.Contains(p.String(), form) {
				t.Errorf("%q is in %s", s, p)
			}
		}
	}
}

// The server echoes what it got, in every place that it has.
func TestErrorsHoldNoSecret(t *testing.T) {
	echo := func(write func(w http.ResponseWriter, form url.Values)) smarttest.Fault {
		return smarttest.Fault{Handler: func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			form, _ := url.ParseQuery(string(body))
			form.Del("client_assertion_type")
			write(w, form)
		}}
	}
	each := func(form url.Values) string { return strings.Join(secretsOf(form), " ") }
	for name, fault := range map[string]smarttest.Fault{
		"text": echo(func(w http.ResponseWriter, form url.Values) { http.Error(w, each(form), http.StatusUnauthorized) }),
		"media type": echo(func(w http.ResponseWriter, form url.Values) {
			w.Header().Set("Content-Type", "text/"+secretsOf(form)[0])
			w.WriteHeader(500)
		}),
		"OAuth error": echo(func(w http.ResponseWriter, form url.Values) {
			w.WriteHeader(400)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": each(form), "error_description": each(form)})
		}),
		"redirect": echo(func(w http.ResponseWriter, form url.Values) {
			w.Header().Set("Location", "https://elsewhere.example.nl/?"+form.Encode())
			w.WriteHeader(307)
		}),
		"no HTTP": echo(func(w http.ResponseWriter, form url.Values) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(conn, strings.ReplaceAll(each(form), " ", "+")+"+another-marker\r\n\r\n")
				_ = conn.Close()
			}
		}),
		"no JSON": echo(func(w http.ResponseWriter, form url.Values) { _, _ = io.WriteString(w, each(form)) }),
		"wrong JSON": echo(func(w http.ResponseWriter, form url.Values) {
			_ = json.NewEncoder(w).Encode(map[string]any{"active": form, "id": form})
		}),
		"connection closed": {CloseConnection: true},
	} {
		for op, do := range both {
			t.Run(op+" "+name, func(t *testing.T) {
				inMemory(t, func(t *testing.T, s *sandbox) {
					s.get(t, t.Context()) // has everything discovered
					before := len(s.Requests(do.endpoint))
					s.Fail(do.endpoint, fault)
					s.client.IntrospectionURL = s.IntrospectionURL() + "?key=query-marker"
					err := do.call(t.Context(), s.client)
					if err == nil {
						t.Fatal("no error")
					}
					var p printed
					p.printErrors(err)
					form, _ := url.ParseQuery(string(s.Requests(do.endpoint)[before].Body))
					p.mustNotHold(t, append(secretsOf(form), "query-marker", "-marker")...)
				})
			})
		}
	}
}

// A RoundTripper may put the whole request into its error.
func TestErrorsOfTransportsHoldNoSecret(t *testing.T) {
	for op, do := range both {
		inMemory(t, func(t *testing.T, s *sandbox) {
			s.get(t, t.Context())
			var secrets []string
			s.client.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				form, _ := url.ParseQuery(string(body))
				secrets = secretsOf(form)
				return nil, leaky{fmt.Sprintf("%s %s %s", r.URL, body, strings.Join(secrets, "\n")), form}
			})}
			var p printed
			p.printErrors(do.call(t.Context(), s.client))
			if p.mustNotHold(t, append(secrets, "-marker")...); len(secrets) < 2 {
				t.Errorf("%s: %q", op, secrets)
			}
		})
	}
}

// secretsOf returns the secrets of a form, those of [both] with "-marker" in them, and the parts of the assertion.
func secretsOf(form url.Values) []string {
	var secrets []string
	for _, name := range []string{"token", "code", "code_verifier", "client_assertion"} {
		if v := form.Get(name); v != "" {
			secrets = append(secrets, v)
		}
	}
	return secrets
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// leaky is an error that holds more than its text.
type leaky struct {
	text string
	Form url.Values
}

func (e leaky) Error() string { return e.text }

func TestPrintedLaunchesHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, smarttest.Options{InMemory: true})
		hti := s.LaunchToken(s.src.ClientID(), nil)
		a, err := s.client.Authorize(t.Context(), hti, back)
		if err != nil {
			t.Fatal(err)
		}
		query := s.browse(t, a)
		session, err := s.client.ExchangeCode(t.Context(), a, query.Get("code"), query.Get("state"))
		if err != nil {
			t.Fatal(err)
		}
		launch, err := s.client.Launch(t.Context(), s.LaunchToken(s.src.ClientID(), nil))
		if err != nil {
			t.Fatal(err)
		}
		i, err := s.client.Introspect(t.Context(), s.LaunchToken(s.src.ClientID(), nil))
		if err != nil {
			t.Fatal(err)
		}
		var p printed
		p.print(a, *a, session, *session, map[string]any{"a": a, "s": session}, []any{*a, *session})
		p.print(struct {
			a koppeltaal.Authorization
			s koppeltaal.Session
			p *koppeltaal.Session
		}{*a, *session, session})
		p.mustNotHold(t, hti, secrets(t, a)["verifier"], a.State(), session.IDToken(), query.Get("code"), "NOOP")
		var j printed
		j.print(i, *i, struct{ i koppeltaal.Introspection }{*i})
		j.usual = true // the fields are exported
		j.print(launch, *launch, map[string]any{"l": launch}, []any{*launch}, struct{ L *koppeltaal.Launch }{launch})
		j.print(session, *session, struct{ S *koppeltaal.Session }{session})
		j.mustNotHold(t, launch.Patient, "patient-1", "task-1", "eyJhbGciOi")

		if session.IDToken() == "" || (&koppeltaal.Session{}).IDToken() != "" {
			t.Error("nothing to hide")
		}
		asJSON, err := json.Marshal(a)
		if err != nil || json.Unmarshal(asJSON, new(koppeltaal.Authorization)) == nil {
			t.Errorf("%s can be read back, without its secrets", asJSON)
		}
	})
}

// What is shaped like a JWT is removed from what servers say, wherever it is from: some send small letters only.
func TestErrorsHoldNoJWT(t *testing.T) {
	for _, jwt := range []string{"eyJhbGciOiJ.eyJzdWIiOiJtYXJrZXIifQ.c2ln", "eyJhbGciOiJ.eyJzdWIiOiJtYXJrZXIifQ", "eyahbgcioij.marker", "eyAiYWxnIjoi.marker."} {
		for op, do := range both {
			inMemory(t, func(t *testing.T, s *sandbox) {
				s.get(t, t.Context())
				s.Fail(do.endpoint, smarttest.Fault{Status: 400, Body: `{"error":"refused: ` + jwt + `"}`})
				err := do.call(t.Context(), s.client)
				if err == nil || !strings.Contains(err.Error(), "refused: [removed]") || strings.Contains(err.Error(), "arker") || strings.Contains(err.Error(), jwt[:12]) {
					t.Errorf("%s: %v", op, err)
				}
			})
		}
	}
}
