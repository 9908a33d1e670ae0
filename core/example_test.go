package smartauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func ExampleNew() {
	srv, err := smarttest.Start(smarttest.Options{}) // stands for your server
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	config := srv.NewClient(smarttest.ClientOptions{ID: "my-app"})

	src, err := smartauth.New(smartauth.Config{BaseURL: srv.BaseURL(), ClientID: "my-app", Signer: config.Signer})
	if err != nil {
		log.Fatal(err)
	}
	token, err := src.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	again, err := src.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same token:", token == again)
	fmt.Println("token requests:", srv.Counts().TokenRequests)
	// Output:
	// the same token: true
	// token requests: 1
}

// A mistake in the configuration is found before any request is made, with all others.
func ExampleNew_mistakes() {
	_, err := smartauth.New(smartauth.Config{BaseURL: "http://fhir.example.nl/fhir", Audience: "https://auth.example.nl"})
	var e *smartauth.Error
	if errors.As(err, &e) {
		fmt.Println(e.Phase, e.Kind)
		fmt.Println(e.Unwrap())
	}
	// Output:
	// config permanent
	// Config.BaseURL: plain http to fhir.example.nl is refused: use https, or name the host in Config.InsecureHosts; Config.ClientID is empty; at Koppeltaal it is the id that domain admin shows for the application; Config.Audience needs Config.TokenURL: with a discovered endpoint it would allow mix-up; Config.Signer is nil; make one with ParseKey or NewSigner
}

// Any crypto.Signer will do, such as that of a KMS or HSM.
func ExampleNewSigner() {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := smartauth.NewSigner(key, "2026-a")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signer.KeyID(), signer.Algorithms())
	// Output: 2026-a [ES384]
}
