// Package smarttest is to SMART Backend Services what net/http/httptest is to net/http: a sandbox with an authorization
// server, a FHIR server and a host for the clients' keys, for the tests of everything that authenticates to such servers.
//
//	sandbox := smarttest.New(t, smarttest.Options{})
//	src, err := smartauth.New(sandbox.NewClient(smarttest.ClientOptions{}))
//
// It is a strict server and no friendly mock. By default it does what the Koppeltaal reference server does, down to its
// opaque 401 and its zero clock leeway; with the profile [SMART] it keeps to SMART App Launch 2.2 and RFC 6749. What
// verifies the assertions shares no code with what signs them.
//
// The sandbox speaks over loopback, or with [Options.InMemory] over in-memory connections without any socket. The latter
// works inside a testing/synctest bubble, provided the sandbox is started in it: fake time then passes at once.
//
// A launch of a module begins with [Server.LaunchToken]. The Koppeltaal profile takes such a token at the introspection endpoint
// and, with nobody to log in, at the authorization endpoint.
//
// Servers that behave badly are made with [Server.Fail], [Server.SetDown], [Server.SetClockOffset], [Server.RevokeAll],
// [Server.AlwaysUnauthorized] and the like; what arrived is told by [Server.Counts], [Server.Requests] and
// [Server.Assertions]. The last one also says why an assertion was refused, which the Koppeltaal profile does not tell the
// client.
//
// All methods may be called from several goroutines at once. The sandbox speaks plain http and keeps everything in memory,
// so it is for tests and for development on one's own machine only.
package smarttest
