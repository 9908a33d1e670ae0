// Package smartresty puts the access token of a [smartauth.TokenSource] on the requests of a resty client, and answers a 401
// with a new token and the same request once more, inside the same call.
//
//	err := smartresty.Attach(client, src)
//
// The client keeps its settings, hooks and retries. A 401 that is healed is none to resty: it uses up no retry, waits for
// none, and no hook sees it.
package smartresty
