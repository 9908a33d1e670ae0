// Package jwks is for the keys of an application: it reads private ones in JWK form, publishes the public ones as the JWKS that
// authorization servers read, and rotates them without a request that fails.
//
//	ring, err := jwks.NewRing(jwks.RingConfig{Load: jwks.Directory("/etc/app/keys", nil)})
//	http.Handle("/keys/5f2c81", jwks.Handler(ring, ring.MaxAge()))
//	src, err := smartauth.New(smartauth.Config{BaseURL: base, ClientID: id, Signer: ring})
//
// Choose a path that nobody would guess for another application, and not /.well-known/jwks.json: whoever gets hold of a domain
// that has lapsed could otherwise publish keys for the application that was there (TOP-KT-020; the Koppeltaal guide says so too).
// The endpoint is on the way of every token: Koppeltaal reads it for each token request, without a cache, and answers 401 if it
// cannot. So it has to be up, fast, and open to clients that look like a bot.
//
// To rotate, put a new key file into the directory, and take the old one away a day later. To withdraw a key that somebody else may
// have, put a file name.pem.compromised beside it. Every replica reads the same directory: see [Directory] for what its files'
// times and names mean.
package jwks
