package rehearsal

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Register makes a client known to the sandbox, with a key of its own.
func Register(srv *smarttest.Server) (Settings, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Settings{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Settings{}, err
	}
	const keyID = "2026-a"
	config := srv.NewClient(smarttest.ClientOptions{Key: key, KeyID: keyID})
	return Settings{
		BaseURL:  config.BaseURL,
		TokenURL: srv.TokenURL(),
		ClientID: config.ClientID,
		KeyID:    keyID,
		KeyPEM:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}, nil
}
