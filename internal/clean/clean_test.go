package clean_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/internal/clean"
)

const jwt = "eyJhbGciOiJSUzUxMiJ9.eyJpc3MiOiJhIn0abc.c2lnbmF0dXJl"

func TestText(t *testing.T) {
	const hosts = "no such host: auth-service.koppeltaal.headease.nl, eyeclinic-online.example-hospital.nl"
	for _, c := range []struct{ name, text, want string }{
		{"kept", "JWKS not reachable (kid a-1)", "JWKS not reachable (kid a-1)"},
		{"a JWT", "bad token " + jwt + " sent", "bad token [removed] sent"},
		{"a JWT without its signature", "bad " + jwt[:strings.LastIndex(jwt, ".")+1], "bad [removed]"},
		{"a JWT in small letters", strings.ToLower(jwt), "[removed]"},
		{"an encrypted JWT", "bad " + jwt + ".dGFn.dGFn", "bad [removed]"},
		{"host names", hosts, hosts},
		{"secrets", "you sent hunter2! and more", "you sent [removed]! and more"},
		{"a secret that begins with another", "hunter2-and-more", "[removed]"},
		{"a secret in a form", "hunter2%2Fhunter2+hunter2", "[removed]"},
		{"a secret in small letters", "passphrase", "[removed]"},
		{"a secret that is not ASCII", "gehé\u200bim", "[removed]"},
		{"control characters and more than ASCII", "a\x1b[31m\r\nb\u202e é", "a [31m b"},
		{"no UTF-8", "a\xff\xc3b", "a b"},
		{"too long", strings.Repeat("x", 500), strings.Repeat("x", 256)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := clean.Text(c.text, 256, "", "hunter2", "hunter2-and-more", "hunter2/hunter2 hunter2", "PassPhrase", "gehé\u200bim")
			if got != c.want {
				t.Errorf("%q became %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func TestURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://fhir.example.nl:8443/fhir/a%2Fb":      "https://fhir.example.nl:8443/fhir/a%2Fb",
		"https://user:hunter2@x/?code=hunter2#hunt%2f": "https://x/",
		"https://x/?": "https://x/",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := clean.URL(u); got != want || u.String() != raw {
			t.Errorf("%s became %s, want %s", u, got, want)
		}
	}
}

func TestValue(t *testing.T) {
	for text, want := range map[string]string{
		"key  1 ":           "key  1 ",
		"key\n\x1b\u202e":   "key???",
		"a " + jwt:          "a [removed]",
		"my hunter2":        "my [removed]",
		"0123456789abcdef":  "0123456789abcdef",
		"0123456789abcdefg": "0123456789abcdef...",
	} {
		if got := clean.Value(text, 16, "hunter2"); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// Whatever a server makes of what it was sent: what is shown is one line of ASCII, with neither a secret nor a JWT in it.
func FuzzText(f *testing.F) {
	const secret = "Hunter2/and+more"
	forms := []string{secret, url.QueryEscape(secret), strings.ToLower(secret), jwt, "eyJ"}
	for _, seed := range append(forms, "", "\xff", "a\x00b\u2028c", "ey"+secret+"J", strings.Repeat(jwt+"\n", 9)) {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, text string, at int) {
		at = max(0, min(at, len(text)))
		text = text[:at] + secret + text[at:] + " " + jwt + "\n" + url.QueryEscape(secret)
		for _, shown := range []string{clean.Text(text, len(text)+100, secret), clean.Value(text, len(text)+100, secret)} {
			for _, form := range forms[:4] {
				if strings.Contains(shown, form) {
					t.Errorf("%q is in %q, of %q", form, shown, text)
				}
			}
			if strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q is no line of ASCII", shown)
			}
		}
		if short := clean.Text(text, 10, secret); len(short) > 10 || strings.Contains(short, "  ") {
			t.Errorf("%q", short)
		}
		if short := clean.Value(text, 10, secret); len(short) > 13 {
			t.Errorf("%q", short)
		}
	})
}

// What the network says can be found below, also where a host's name has long parts, and nothing that was removed can.
func TestNetwork(t *testing.T) {
	lookup := &net.DNSError{Err: "no such host", Name: "fhir-server.koppeltaal.headease.nl", IsNotFound: true}
	untrusted := &tls.CertificateVerificationError{Err: x509.HostnameError{Host: "fhir.example.nl", Certificate: &x509.Certificate{}}}
	for _, c := range []struct {
		name   string
		err    error
		shown  string
		causes []error
	}{
		{"nothing to remove", &net.OpError{Op: "dial", Net: "tcp", Err: lookup}, "dial tcp: lookup fhir-server.koppeltaal.headease.nl: no such host", []error{lookup}},
		{"a quotation", fmt.Errorf(`malformed HTTP response "%s"`, "hunter2\x00"), "malformed HTTP response ...", nil},
		{"a quotation that does not end", fmt.Errorf(`bad "hunter2 %w`, io.EOF), "bad ...", []error{io.EOF}},
		{"a secret", fmt.Errorf("sent hunter2: %w", context.Canceled), "sent [removed]: context canceled", []error{context.Canceled}},
		{"a certificate", fmt.Errorf("hunter2: %w", untrusted), "[removed]: " + untrusted.Error(), []error{untrusted}},
		{"something else that is removed", fmt.Errorf("hunter2: %w", lookup), "[removed]: " + lookup.Error(), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := clean.Network(&url.Error{Op: "Get", URL: "https://x/?query-marker", Err: c.err}, "hunter2")
			if got.Error() != c.shown {
				t.Errorf("shown is %q, want %q", got, c.shown)
			}
			for _, cause := range c.causes {
				if !errors.Is(got, cause) {
					t.Errorf("%v is not found below", cause)
				}
			}
			for err := error(got); err != nil; err = errors.Unwrap(err) {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
					t.Errorf("%#v tells what was removed", err)
				}
			}
			if len(c.causes) == 0 && errors.Unwrap(got) != nil {
				t.Errorf("it wraps %v", errors.Unwrap(got))
			}
		})
	}
}

func TestWrap(t *testing.T) {
	refused := errors.New("the key is disabled")
	if got := clean.Wrap(fmt.Errorf("sign: %w", refused)); got.Error() != "sign: the key is disabled" || !errors.Is(got, refused) {
		t.Errorf("%v, of %v", got, errors.Unwrap(got))
	}
	if got := clean.Wrap(fmt.Errorf("sign %s: %w", jwt, refused)); got.Error() != "sign [removed]: the key is disabled" || errors.Is(got, refused) {
		t.Errorf("%v, of %v", got, errors.Unwrap(got))
	}
}
