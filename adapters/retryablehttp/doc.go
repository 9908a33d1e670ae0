// Package smartretryable puts the access token of a [smartauth.TokenSource] on the requests of a go-retryablehttp client, and
// answers a 401 with a new token and the same request once more, inside the same attempt. Two lines upgrade a client:
//
//	src, err := smartauth.New(smartauth.Config{BaseURL: baseURL, ClientID: clientID, Signer: signer})
//	err = smartretryable.Attach(client, src)
//
// The client keeps its settings, hooks and retries, for Do as for StandardClient and RoundTripper. A 401 that is healed is
// none to retryablehttp: it uses up no retry, waits for none, and no hook sees it. Only the code that set Authorization and
// renewed the token has to go.
package smartretryable
