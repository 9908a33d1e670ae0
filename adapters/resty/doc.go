// Package smartresty puts the access token of a [smartauth.TokenSource] on the requests of a resty client, and answers a 401
// with a new token and the same request once more, inside the same call. Two lines upgrade a client:
//
//	src, err := smartauth.New(smartauth.Config{BaseURL: baseURL, ClientID: clientID, Signer: signer})
//	err = smartresty.Attach(client, src)
//
// The client keeps its settings, hooks and retries. A 401 that is healed is none to resty: it uses up no retry, waits for
// none, and no hook sees it. Only [resty.Client.SetAuthToken], and whatever code renewed the token, has to go.
package smartresty
