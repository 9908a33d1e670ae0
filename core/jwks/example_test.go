package jwks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// One ring signs the assertions and has the keys that the application publishes. Keys come and go with the files of a directory.
func ExampleNewRing() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "20261125T120000Z.pem"), pemOf(newEC(p384)), 0o600); err != nil {
		log.Fatal(err)
	}
	srv, err := smarttest.Start(smarttest.Options{}) // stands for your server
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	ring, err := jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(dir, nil)})
	if err != nil {
		log.Fatal(err)
	}
	srv.RegisterJWKSHandler("my-app", jwks.Handler(ring, ring.MaxAge()))
	src, err := smartauth.New(smartauth.Config{BaseURL: srv.BaseURL(), ClientID: "my-app", Signer: ring})
	if err != nil {
		log.Fatal(err)
	}
	token, err := src.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a token with scopes:", token.Scope() != "")
	fmt.Println("signed by the published key:", srv.Assertions()[0].Header["kid"] == kids(ring)[0])
	// Output:
	// a token with scopes: true
	// signed by the published key: true
}

// What authorization servers read.
func ExampleHandler() {
	key, err := jwks.ParseKey([]byte(exampleJWK), "")
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/keys/5f2c81", jwks.Handler(jwks.Keys{jwks.KeyOf(key)}, 0))

	w := httptest.NewRecorder() // stands for a server that reads it
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/keys/5f2c81", nil))
	var document any
	_ = json.Unmarshal(w.Body.Bytes(), &document)
	indented, _ := json.MarshalIndent(document, "", "  ")
	fmt.Println(w.Header().Get("Content-Type"))
	fmt.Println(string(indented))
	// Output:
	// application/json
	// {
	//   "keys": [
	//     {
	//       "crv": "P-256",
	//       "kid": "2026-a",
	//       "kty": "EC",
	//       "use": "sig",
	//       "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
	//       "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
	//     }
	//   ]
	// }
}

// The key of RFC 7515 appendix A.3, as a sandbox might hand one out.
const exampleJWK = `{"kty":"EC","crv":"P-256","kid":"2026-a",
	"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
	"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
	"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`

func ExampleParseKey() {
	key, err := jwks.ParseKey([]byte(exampleJWK), "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.KeyID(), key.Algorithms())
	// Output: 2026-a [ES256]
}
