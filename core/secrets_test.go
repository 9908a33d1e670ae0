package smartauth_test

import (
	"bytes"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Marker secrets must turn up in no error and no printed form, whatever fails.
func TestSecretsStaySecret(t *testing.T) {
	const marker = "hunter2-marker"
	opaque := marker + "-opaque-token"
	key := newEC(t, elliptic.P384())
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	echo := func(w http.ResponseWriter, r *http.Request) { // a server that sends everything back
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(401)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_client",
			"error_description": "bad assertion " + r.Form.Get("client_assertion")})
	}
	for name, fault := range map[string]smarttest.Fault{
		"text":                    {Status: 401, Body: marker},
		"HTML 500":                {Status: 500, Body: "<p>" + marker},
		"success that is no JSON": {Body: marker},
		"truncated success":       {Body: `{"access_token":"` + marker},
		"DPoP":                    {Body: `{"access_token":"` + marker + `","token_type":"DPoP"}`},
		"bad expires_in":          {Body: `{"access_token":"` + marker + `","token_type":"bearer","expires_in":"` + marker + `"}`},
		"line break":              {Body: `{"access_token":"` + marker + `\n","token_type":"bearer"}`},
		"echo":                    {Handler: echo},
		"garbage for HTTP": {Handler: func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, `{"access_token":"`+marker+`\"`+marker+`"}`+"\r\n\r\n")
				_ = conn.Close()
			}
		}},
		"connection closed": {CloseConnection: true},
		"success":           {Body: `{"access_token":"` + opaque + `","token_type":"bearer"}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &recorder{}
				srv := smarttest.New(t, smarttest.Options{InMemory: true})
				cfg := srv.NewClient(smarttest.ClientOptions{Key: key})
				cfg.Observer = o
				cfg.TokenURL = srv.TokenURL() + "?key=" + marker + "-query"
				src, err := smartauth.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				srv.Fail(smarttest.TokenEndpoint, fault)
				token, err := src.Token(t.Context())
				synctest.Wait()

				var log bytes.Buffer
				logger := slog.New(slog.NewJSONHandler(&log, nil))
				logger.Info("x", "token", token, "err", err, "source", src)
				text := slog.New(slog.NewTextHandler(&log, nil))
				text.Info("x", "token", token, "err", err, "source", src)
				print := func(v any) {
					fmt.Fprintf(&log, "%v %+v %#v %s %q %d %x\n", v, v, v, v, v, v, v)
					if j, err := json.Marshal(v); err == nil {
						log.Write(j)
					}
				}
				print(token)
				cfg.TokenURL = "" // the caller's own
				print(cfg)
				print(cfg.Signer)
				print(struct{ signer smartauth.Signer }{cfg.Signer})
				print(src)
				for e := err; e != nil; e = errors.Unwrap(e) {
					print(e)
				}
				if token != nil {
					print(*token)
					print(map[string]any{"token": token})
					print(struct{ token *smartauth.Token }{token})
					print(struct{ token smartauth.Token }{*token})
				}
				for _, e := range o.ends {
					print(e.PhaseEnd)
				}
				secrets := []string{marker, fmt.Sprintf("%x", private), new(big.Int).SetBytes(private).String(), fmt.Sprintf("%d", private)}
				for _, r := range srv.Requests(smarttest.TokenEndpoint) {
					form := string(r.Body)
					_, assertion, _ := strings.Cut(form, "client_assertion=")
					assertion, _, _ = strings.Cut(assertion, "&")
					secrets = append(secrets, strings.Split(assertion, ".")[1:]...)
				}
				if len(secrets) < 6 {
					t.Fatal("no assertion was seen")
				}
				for _, s := range secrets {
					if strings.Contains(log.String(), s) {
						t.Errorf("%q is in %s", s, log.String())
					}
				}
				if name != "success" && err == nil {
					t.Error("no error")
				}
			})
		})
	}
}
