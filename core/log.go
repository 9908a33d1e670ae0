package smartauth

import (
	"context"
	"log/slog"
	"sync"
	"time"
	"weak"
)

// NewLogObserver returns an Observer that writes what an operator should know to logger, once per change: a refresh that
// fails, calls that do, an acquisition that succeeds again, a clock that is off, scopes that are missing, and the first request
// of each Source that went without a bearer for each reason. It writes with the context of the acquisition or request, so that a handler can add the trace. Nil
// means slog.Default(). Use [MultiObserver] to have others beside it.
func NewLogObserver(logger *slog.Logger) Observer {
	if logger == nil {
		logger = slog.Default()
	}
	return &logObserver{logger: logger}
}

type logObserver struct {
	logger  *slog.Logger
	skipped sync.Map // skips that were written
}

type skip struct {
	source weak.Pointer[Source]
	reason SkipReason
}

func (o *logObserver) PhaseStart(ctx context.Context, _ PhaseStart) context.Context { return ctx }

func (o *logObserver) PhaseEnd(context.Context, PhaseEnd) {}

func (o *logObserver) StateChanged(ctx context.Context, c StateChange) {
	log := o.of(c.Source)
	switch c.State {
	case StateFailing:
		if c.Expiry.IsZero() {
			log.WarnContext(ctx, "no access token: calls fail", "error", c.Err)
		} else {
			log.WarnContext(ctx, "token refresh failed; the current token is valid until "+c.Expiry.UTC().Format(time.RFC3339), "error", c.Err)
		}
	case StateRecovered:
		log.InfoContext(ctx, "access tokens are available again")
	case StateClockOff:
		log.WarnContext(ctx, "the authorization server's clock differs from this one, and assertions are signed on it", "offset", c.Offset)
	case StateClockTolerated:
		log.WarnContext(ctx, "the authorization server's clock differs from this one, which it tolerates so far", "offset", c.Offset)
	case StateClockRight:
		log.InfoContext(ctx, "the authorization server's clock is no reason for concern any more; assertions are signed on this machine's")
	case StateScopeMissing:
		log.WarnContext(ctx, "the token has no scope; at Koppeltaal this means that the client has no role")
	case StateScopeNarrower:
		log.WarnContext(ctx, "the token has not all scopes that were asked for", "missing", c.Scopes)
	case StateKeyExposed:
		log.WarnContext(ctx, "the private key is not kept private", "error", c.Err)
	default:
		log.InfoContext(ctx, "the token source has changed its state", "state", c.State)
	}
}

// BearerSkipped warns of a caller's own Authorization: it may be left over from before. The other reasons are intended.
func (o *logObserver) BearerSkipped(ctx context.Context, s BearerSkipped) {
	if _, written := o.skipped.LoadOrStore(skip{weak.Make(s.Source), s.Reason}, nil); written {
		return
	}
	level := slog.LevelDebug
	if s.Reason == SkipOwnAuthorization {
		level = slog.LevelWarn
	}
	o.of(s.Source).Log(ctx, level, "a request went without the access token; further ones are not reported", "reason", s.Reason)
}

func (o *logObserver) of(s *Source) *slog.Logger {
	if s == nil {
		return o.logger
	}
	return o.logger.With("fhir_server", s.BaseURL())
}
