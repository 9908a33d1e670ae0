package examples_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"net/http"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func Example() {
	srv, pem, baseURL, clientID := yours()
	defer srv.Close()
	client := &http.Client{}

	signer, err := smartauth.ParseKey(pem, "") // "": the key id is the key's RFC 7638 thumbprint
	if err != nil {
		log.Fatal(err)
	}
	src, err := smartauth.New(smartauth.Config{BaseURL: baseURL, ClientID: clientID, Signer: signer})
	if err != nil {
		log.Fatal(err)
	}
	client = smarthttp.NewClient(src, client) // a copy, with your timeout, proxy and TLS settings

	resp, err := client.Get(baseURL + "/Patient?_count=1")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

func Example_errors() {
	srv, pem, baseURL, clientID := yours()
	defer srv.Close()
	srv.SetApproved(clientID, false)
	signer, err := smartauth.ParseKey(pem, "")
	if err != nil {
		log.Fatal(err)
	}
	src, err := smartauth.New(smartauth.Config{BaseURL: baseURL, ClientID: clientID, Signer: signer})
	if err != nil {
		log.Fatal(err)
	}
	client := smarthttp.NewClient(src, nil)

	resp, err := client.Get(baseURL + "/Patient?_count=1")
	var auth *smartauth.Error
	switch {
	case errors.As(err, &auth):
		fmt.Println(auth.Kind, auth.StatusCode) // and auth.Hints are the likely causes
	case err != nil:
		fmt.Println("the FHIR server could not be reached:", err)
	default:
		resp.Body.Close()
	}
	// Output: refused 401
}

// yours stands for the reader's server and key.
func yours() (srv *smarttest.Server, keyPEM []byte, baseURL, clientID string) {
	srv, err := smarttest.Start(smarttest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		log.Fatal(err)
	}
	config := srv.NewClient(smarttest.ClientOptions{Key: key})
	return srv, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), config.BaseURL, config.ClientID
}

// A test as a user of the library would write it; the README shows its body.
func TestYourClient(t *testing.T) {
	srv := smarttest.New(t, smarttest.Options{}) // as the Koppeltaal reference servers behave
	src, err := smartauth.New(srv.NewClient(smarttest.ClientOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	client := smarthttp.NewClient(src, srv.Client())

	srv.RevokeAll()
	resp, err := client.Get(srv.BaseURL() + "/Patient?_count=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
}
