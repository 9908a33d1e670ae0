package smartauth

import (
	"context"
	"net/http"
	"time"
)

// An Observer sees the phases of every acquisition; nothing is called for a token that is served from the cache. Its methods
// may be called from several goroutines at once and should be quick: callers wait for them. A panic in an Observer is
// swallowed, and written once to package slog's default logger.
//
// An Observer that also implements [RejectionObserver], [SkipObserver], [StateObserver] or [SourceObserver] is told of those
// events too. One Observer may serve several Sources: each event names its own.
type Observer interface {
	// PhaseStart returns the context for the PhaseEnd, whose values everything inside the phase has too. It should be derived
	// from ctx, or the phases inside lose their place in a trace; nil means ctx. How long the phase lasts is not for the Observer
	// to say: the end and deadline of ctx hold, whatever is returned, and those of the returned context do not.
	PhaseStart(ctx context.Context, s PhaseStart) context.Context

	// PhaseEnd is called exactly once for each PhaseStart.
	PhaseEnd(ctx context.Context, e PhaseEnd)
}

// A Phase is a step of an acquisition.
type Phase string

// The phases. An acquisition holds the others: one discover and one exchange for each HTTP request made, one sign for
// each assertion, and one discover, marked Shared, where it waits for a discovery begun by another. [Source.Metadata] and [Source.Assertion] have discover and sign phases outside of any acquisition.
const (
	PhaseAcquire  Phase = "acquire"
	PhaseDiscover Phase = "discover"
	PhaseSign     Phase = "sign"
	PhaseExchange Phase = "exchange"
)

// PhaseConfig is the phase of errors that [New] finds, before any network call. Observers never see it.
const PhaseConfig Phase = "config"

// A Reason tells why a token is acquired.
type Reason string

// The reasons of an acquisition.
const (
	ReasonInitial  Reason = "initial"  // there was no token yet
	ReasonExpiring Reason = "expiring" // the token is near its end; nobody waits
	ReasonExpired  Reason = "expired"
	ReasonRejected Reason = "rejected" // the token was invalidated
)

// PhaseStart describes a phase that begins.
type PhaseStart struct {
	Source *Source
	Phase  Phase
	Reason Reason // of an acquire phase, empty otherwise

	// Background says that the acquisition was begun for no one in particular: the old token is still being served.
	Background bool

	// Shared marks an acquire phase of a caller that waits for an acquisition begun by another, and a discover phase of who
	// waits for a discovery begun by another: that one makes no request.
	Shared bool

	// Cause is, for an acquisition, the context of the call that set it off; the acquisition runs on a context of its own,
	// without that one's values, deadline or cancellation. For a Shared phase it is the context that PhaseStart
	// returned for what is waited for. For a discover phase outside of any acquisition it is the context of the call that set it off. It is
	// nil for the other phases.
	Cause context.Context

	// Attempt counts how often the phase was gone through before in its acquisition, without leading to a token. A
	// discovery that asks for the CapabilityStatement next is still the same.
	Attempt int

	// Method, URL (without its query) and Header describe the HTTP request of a discover or exchange phase. Header may
	// be added to, to inject trace context; it holds no secret.
	Method string
	URL    string
	Header http.Header
}

// PhaseEnd describes a phase that has ended.
type PhaseEnd struct {
	Phase Phase
	Err   error // nil if it succeeded; of an acquisition, what callers get except for its RetryAt

	// StatusCode is that of the HTTP response, 0 if there was none.
	StatusCode int

	// Algorithm and KeyID are what a sign phase signed with.
	Algorithm string
	KeyID     string

	// Token is what an acquire phase ended with, nil if it failed.
	Token *Token

	// Stale says of an acquire phase that its caller, or for an acquisition the one who set it off, goes on with the old token, as
	// there was no other, or not soon.
	Stale bool
}

// A RejectionObserver is told of every request that a FHIR server answered with 401 although it carried a token.
type RejectionObserver interface {
	Rejected(ctx context.Context, r Rejection)
}

// An Outcome tells how a rejected request ended.
type Outcome string

// The outcomes of a rejection.
const (
	OutcomeRecovered  Outcome = "recovered"  // the request was sent again and not answered with 401
	OutcomeFailed     Outcome = "failed"     // it was refused again, could not be sent again, or there was no new token
	OutcomeSuppressed Outcome = "suppressed" // there were too many rejections lately to fetch another token
)

// Rejection describes a request that was answered with 401.
type Rejection struct {
	Source  *Source // nil if it was reported by an adapter over another TokenSource
	Outcome Outcome
	Waited  time.Duration // for a FHIR server whose clock lags behind the authorization server's
}

// A SkipObserver is told of every request that an adapter sent without a bearer.
type SkipObserver interface {
	BearerSkipped(ctx context.Context, s BearerSkipped)
}

// A SkipReason tells why a request went without our bearer.
type SkipReason string

// The reasons to send no bearer.
const (
	SkipForeignOrigin    SkipReason = "foreign_origin"    // the request goes to another origin than the FHIR server's
	SkipForeignRedirect  SkipReason = "foreign_redirect"  // a redirect on its way had left that origin
	SkipOwnAuthorization SkipReason = "own_authorization" // the caller set Authorization
	SkipOptOut           SkipReason = "opt_out"           // the caller asked for it
)

// BearerSkipped describes a request sent without our bearer.
type BearerSkipped struct {
	Source *Source // nil if it was reported by an adapter over another TokenSource
	Reason SkipReason
}

// A StateObserver is told of changes in the state of a [Source], once per change.
type StateObserver interface {
	StateChanged(ctx context.Context, c StateChange)
}

// A State is a condition that a [Source] can be in.
type State string

// The states.
const (
	// StateFailing means that the last acquisition failed; Err tells why. As long as the current token lives callers have that
	// one, and Expiry tells until when; it is zero if calls fail. Until StateRecovered each kind of failure is told once, and
	// again when it is the calls that fail.
	StateFailing State = "failing"

	StateRecovered    State = "recovered"     // an acquisition succeeded after failures
	StateClockOff     State = "clock_off"     // assertions are now signed on the authorization server's clock; Offset tells the difference
	StateClockRight   State = "clock_right"   // they are signed on the local one again, and it is right as far as is known
	StateScopeMissing State = "scope_missing" // the server granted a token and named no scope

	// StateClockTolerated means that the authorization server's clock is more than 5 s from the local one, and that it accepts
	// assertions signed on that nevertheless; Offset tells the difference.
	StateClockTolerated State = "clock_tolerated"

	// StateKeyExposed means that others may read the file that the private key came from; Err tells which.
	StateKeyExposed State = "key_exposed"

	// StateScopeNarrower means that some of Config.Scopes are not among the granted ones. Scopes with a wildcard do not count,
	// as servers grant what the wildcard stands for.
	StateScopeNarrower State = "scope_narrower"
)

// StateChange describes a change of state.
type StateChange struct {
	Source *Source
	State  State
	Err    error         // of StateFailing and StateKeyExposed
	Expiry time.Time     // of StateFailing: when the current token expires, zero if callers have none
	Offset time.Duration // of StateClockOff and StateClockTolerated: the server's clock minus the local one
	Scopes []string      // of StateScopeNarrower: those of Config.Scopes that are missing
}

// A SourceObserver is told of every [Source] that [New] makes with it, to ask for its [Stats] from time to time. It should not
// keep the Source alive for that (package weak).
type SourceObserver interface {
	SourceCreated(s *Source)
}
