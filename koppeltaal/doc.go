// Package koppeltaal has what an application at Koppeltaal 2.0 needs besides access tokens: the headers that its requests are
// followed by (TOP-KT-011), and the launch of a module, by introspection of the HTI token (TOP-KT-021) or by SMART on HTI
// (TOP-KT-007).
//
//	config.Observer = koppeltaal.NewTraceObserver() // for the requests of the token source
//	transport := &koppeltaal.TraceTransport{Base: http.DefaultTransport}
//	client := smarthttp.NewClient(src, &http.Client{Transport: transport}) // below the authentication: a new id for a resend, too
//	http.Handle("/", koppeltaal.TraceMiddleware(handler))
//
//	launches := &koppeltaal.Client{Source: src}
//	launch, err := launches.Launch(ctx, r.PostFormValue("launch"))
//
// # Where the specification and its reference server differ
//
// Either a setting decides, and its default does for the reference server, or what is sent does for both:
//
//	aud at the introspection endpoint    Client.IntrospectionAudience
//	scope parameter may narrow           Config.Scopes: none are asked for; Token.Scope has those granted
//	JWKS URL, or a PEM with RS512 alone  Config.Algorithm: RS512 for RSA keys, which does for both
//	sub, and exp within 5 minutes        always sent
//	caching of the JWKS                  jwks.RingConfig.MaxAge: a new key signs when every cache must know it
//	shape of the endpoints               Config.BaseURL and discovery; Config.TokenURL and Client.IntrospectionURL pin them
//	introspection of access tokens       Introspection.Active is what the server says; the reference server always says no
//	PKCE                                 always sent, S256
//	errors as text or as JSON            Error.StatusCode, and Error.Code if there is one
package koppeltaal
