// Package smarthttp puts the access token of a [smartauth.TokenSource] on the requests of a net/http client, and answers a
// 401 with a new token and the same request once more, inside the same call.
//
//	client := smarthttp.NewClient(src, existingClient) // nil for a new one
//
// The token goes to the FHIR server's own origin only. [Transport] says exactly when a request is sent again.
package smarthttp
