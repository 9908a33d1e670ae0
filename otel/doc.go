// Package otelsmart shows the token acquisitions of a [smartauth.Source] in OpenTelemetry: spans for the work, metrics for the
// dashboard, and nothing for a token that is served from memory but one atomic addition.
//
//	cfg.Observer = otelsmart.NewObserver()
//
// An acquisition is a span smartauth.token.acquire in the trace of the call that set it off, over a smartauth.discover,
// smartauth.sign and smartauth.exchange each. A caller who waits for an acquisition set off by another has a
// smartauth.token.acquire of its own, linked to that one; a refresh in the background is a trace of its own, linked to the
// call that set it off. The trace context goes to the authorization server; baggage of the application does not.
//
// One Observer may serve all Sources. Of those with the same attributes the gauges show the one to worry about.
//
// The semantic conventions have no names for OAuth, so all names but the general ones are in the namespace smartauth. No
// token, assertion, scope or response text is in any span or metric.
package otelsmart
