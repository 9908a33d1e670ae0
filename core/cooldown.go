package smartauth

import "time"

// cooldown is what the last acquisitions, or discoveries, failed with, and how long the server is left alone. The zero value
// means that the last one succeeded.
type cooldown struct {
	err          *Error
	failures     int       // since the last success
	awaited      int       // those of them that somebody waited for
	retryAt      time.Time // no acquisition before
	refreshAfter time.Time // no background refresh before
}

// Pauses after a failure: they double from first to most.
var pauses = map[Kind]struct{ first, most time.Duration }{
	Temporary: {250 * time.Millisecond, 2 * time.Second},
	Refused:   {time.Second, 10 * time.Second},
	Permanent: {time.Minute, time.Minute},
}

func (c *cooldown) add(err *Error, now time.Time, awaited bool) {
	c.err = err
	if err.after > 0 { // the server's wish counts for everybody
		c.retryAt = now.Add(err.after)
	}
	if awaited {
		p := pauses[err.Kind]
		if at := now.Add(doubled(p.first, c.awaited, p.most)); at.After(c.retryAt) {
			c.retryAt = at
		}
		c.awaited++
	}
	c.refreshAfter = now.Add(doubled(time.Second, c.failures, 30*time.Second))
	c.failures++
	err.RetryAt = c.retryAt
}

// coolDown returns the error to give to callers now, nil if an acquisition may begin.
func (c *cooldown) coolDown(now time.Time) *Error {
	if c.err != nil && now.Before(c.retryAt) {
		return c.err
	}
	return nil
}

func (c *cooldown) mayRefresh(now time.Time) bool {
	return !now.Before(c.retryAt) && !now.Before(c.refreshAfter)
}

func doubled(first time.Duration, times int, most time.Duration) time.Duration {
	return min(first<<min(times, 16), most)
}

// bucket bounds the renewals that a refusing FHIR server can cause.
type bucket struct {
	level float64
	at    time.Time
}

const (
	bucketSize = 3
	bucketGain = 10 * time.Second // to gain one
)

func newBucket() bucket { return bucket{level: bucketSize} }

func (b *bucket) take(now time.Time) bool {
	if !b.at.IsZero() {
		b.level = min(bucketSize, b.level+now.Sub(b.at).Seconds()/bucketGain.Seconds())
	}
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
