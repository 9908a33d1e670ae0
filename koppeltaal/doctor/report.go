package doctor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/smartauth-go/smartauth/internal/clean"
)

// A Status is the outcome of a check.
type Status int

// The outcomes. A report has the worst of its checks, of which those that were skipped do not count.
const (
	Green  Status = iota // in order
	Yellow               // it works, or may, and should be mended
	Red                  // it does not work, or must not stay so
	Skipped
)

// String returns ok, warn, fail or skip.
func (s Status) String() string {
	switch s {
	case Green:
		return "ok"
	case Yellow:
		return "warn"
	case Red:
		return "fail"
	default:
		return "skip"
	}
}

// MarshalText returns String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Status) UnmarshalText(text []byte) error {
	for status := Green; status <= Skipped; status++ {
		if status.String() == string(text) {
			*s = status
			return nil
		}
	}
	return errors.New("doctor: this is no Status")
}

// A Check is one line of a report.
type Check struct {
	Name   string   `json:"check"`
	Status Status   `json:"status"`
	Found  string   `json:"found"`
	Do     []string `json:"do,omitempty"` // causes and what to do about them, the likeliest first
}

func green(format string, args ...any) Check { return Check{Found: fmt.Sprintf(format, args...)} }
func yellow(found string, do ...string) Check {
	return Check{Status: Yellow, Found: found, Do: do}
}
func red(found string, do ...string) Check { return Check{Status: Red, Found: found, Do: do} }
func skipped(found string) Check           { return Check{Status: Skipped, Found: found} }

// String returns the check in a line, and under it what to do, a line each.
func (c Check) String() string {
	return fmt.Sprintf("%-4s  %-14s  %s\n", c.Status, c.Name, c.Found) + c.toDo()
}

func (c Check) toDo() string {
	var b strings.Builder
	for _, do := range c.Do {
		b.WriteString("      - " + do + "\n")
	}
	return b.String()
}

// A Report is what Run found.
type Report struct {
	Status Status        `json:"status"`
	Time   time.Time     `json:"time"` // when it began
	Took   time.Duration `json:"took_ns"`

	// What was checked, each empty if it was not known. No URL has its query.
	BaseURL   string `json:"base_url"`
	ClientID  string `json:"client_id"`
	TokenURL  string `json:"token_url"`
	Audience  string `json:"audience"`
	Key       string `json:"key"` // its type and size
	KeyID     string `json:"key_id"`
	Algorithm string `json:"algorithm"`
	JWKSURL   string `json:"jwks_url"`

	Checks   []Check   `json:"checks"`
	Requests []Request `json:"requests"`
}

// A Request is one that was made for a report.
type Request struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	URL    string    `json:"url"`    // without its query
	Status int       `json:"status"` // 0 if there was no response

	// ID is the X-Request-Id that was sent, by which those who run the server find the request in their logs.
	ID string `json:"id"`
}

// String returns a line a check, and what to do under those that need it.
func (r Report) String() string {
	var b strings.Builder
	for _, c := range r.Checks {
		b.WriteString(c.String())
	}
	return b.String()
}

// Support returns the report as a text for a mail to those who run the server: with what was checked, and the requests by
// which they find them in their logs.
func (r Report) Support() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SMART Backend Services: checks of %s\n\n", r.Time.UTC().Format("2 January 2006 15:04:05 UTC"))
	for _, line := range []struct{ name, value string }{
		{"FHIR base", r.BaseURL}, {"client_id", r.ClientID}, {"token endpoint", r.TokenURL}, {"aud", r.Audience},
		{"key", r.Key}, {"kid", r.KeyID}, {"alg", r.Algorithm}, {"JWKS URL", r.JWKSURL},
	} {
		if line.value != "" {
			fmt.Fprintf(&b, "%-14s  %s\n", line.name, clean.Value(line.value, 255))
		}
	}
	b.WriteString("\nChecks:\n" + r.String() + "\nRequests:\n")
	for _, q := range r.Requests {
		outcome := fmt.Sprint(q.Status)
		if q.Status == 0 {
			outcome = "no response"
		}
		fmt.Fprintf(&b, "%s  %-4s  %s  %s  X-Request-Id %s\n", q.Time.UTC().Format("15:04:05.000Z"), q.Method, q.URL, outcome, q.ID)
	}
	return b.String()
}
