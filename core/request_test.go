package smartauth

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, value, date string
		want              time.Duration
	}{
		{"none", "", "", 0},
		{"seconds", "7", "", 7 * time.Second},
		{"zero", "0", "", 0},
		{"negative", "-5", "", 0},
		{"far below zero", "-15000000000", "", 0},
		{"a year is cut to a minute", "31536000", "", time.Minute},
		{"more digits than an int64 has", "99999999999999999999", "", 0},
		{"date", now.Add(9 * time.Second).Format(http.TimeFormat), "", 9 * time.Second},
		{"date on the server's own clock", now.Add(time.Hour + 9*time.Second).Format(http.TimeFormat), now.Add(time.Hour).Format(http.TimeFormat), 9 * time.Second},
		{"date in the past", now.Add(-time.Hour).Format(http.TimeFormat), "", 0},
		{"epoch in seconds", "1795521605", "", 5 * time.Second},
		{"epoch in milliseconds", "1795521605000", "", 5 * time.Second},
		{"epoch in the past", "1000000000", "", 0},
		{"nonsense", "soon", "", 0},
		{"fraction", "1.5", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{"Retry-After": {c.value}, "Date": {c.date}}
			if got := retryAfter(h, now); got != c.want {
				t.Errorf("retryAfter(%q) = %v, want %v", c.value, got, c.want)
			}
		})
	}
}
