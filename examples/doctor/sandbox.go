package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

// sandbox looks at a client in good health. It is an error if not all is in order.
func sandbox(ctx context.Context, p printer) error {
	p.sandboxed()
	dir, err := os.MkdirTemp("", "smartauth-doctor-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pem, err := makeKey()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(file, pem, 0o600); err != nil {
		return err
	}
	signer, err := smartauth.ReadKeyFile(file, nil, "")
	if err != nil {
		return err
	}
	srv, err := smarttest.Start(smarttest.Options{})
	if err != nil {
		return err
	}
	defer srv.Close()
	const clientID = "sandbox-client"
	srv.RegisterJWKSHandler(clientID, jwks.Handler(jwks.Keys{jwks.KeyOf(signer)}, 5*time.Minute))

	report := doctor.Run(ctx, doctor.Options{
		Config:  smartauth.Config{BaseURL: srv.BaseURL(), ClientID: clientID, Signer: signer, HTTPClient: srv.Client()},
		KeyFile: file, JWKSURL: srv.JWKSURL(clientID),
	})
	if err := p.print(report); err != nil {
		return err
	}
	if report.Status != doctor.Green {
		return fmt.Errorf("the sandbox is not in order: %v", report.Status)
	}
	return nil
}

// makeKey returns a new key, P-384 in PKCS#8.
func makeKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
