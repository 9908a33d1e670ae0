// Package smartauth turns an application's private key into access tokens for a FHIR server, by SMART Backend Services
// (client_credentials with a signed client assertion, RFC 7523), and keeps the token fresh. It works with Koppeltaal and
// with every other SMART Backend Services server.
//
//	signer, err := smartauth.ParseKey(pem, "")
//	src, err := smartauth.New(smartauth.Config{BaseURL: fhirBase, ClientID: clientID, Signer: signer})
//
// src.Token(ctx) then costs an atomic load while a token is fresh, and one discovery, one signature and one token request
// for everybody when none is. To put the token on the requests of an existing client, use the adapter for its stack:
// adapters/nethttp, adapters/resty or adapters/retryablehttp.
//
// An acquisition goes through the files of this package in this order: source (cache), flight, acquire, discovery,
// assertion, exchange.
// A [Source] has no goroutine or timer of its own while nothing is fetched, and needs no Close.
package smartauth
