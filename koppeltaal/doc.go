// Package koppeltaal has what an application at Koppeltaal 2.0 needs besides access tokens: the headers that its requests are
// followed by (TOP-KT-011), and the launch of a module, by introspection of the HTI token (TOP-KT-021) or by SMART on HTI
// (TOP-KT-007).
//
//	transport := &koppeltaal.TraceTransport{Base: http.DefaultTransport}
//	client := smarthttp.NewClient(src, &http.Client{Transport: transport}) // below the authentication: a new id for a resend, too
//	http.Handle("/", koppeltaal.TraceMiddleware(handler))
//	config.Observer = koppeltaal.NewTraceObserver() // for the requests of the token source
//
// Where the specification and its reference server differ, a setting decides, and its default is what the reference server
// does.
package koppeltaal
