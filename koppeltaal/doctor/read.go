package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/smartauth-go/smartauth/internal/peer"
)

// lagPatience is how long a FHIR server is waited for that does not tell its time.
const lagPatience = time.Second

func (d *doctor) read(ctx context.Context) Check {
	path := strings.TrimPrefix(cmp.Or(d.ReadPath, "Patient?_count=1"), "/")
	if strings.Contains(path, "://") {
		return skipped("not checked: Options.ReadPath is what comes after the base URL, and no URL")
	}
	what, _, _ := strings.Cut(path, "?")
	a, err := d.readOnce(ctx, path)
	again := err == nil && a.status == http.StatusUnauthorized
	lag, wait := d.tokenLag(a), lagPatience
	if again {
		if lag <= waitedFor { // for longer, adapters do not wait
			wait = max(lag, wait)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		if b, err2 := d.readOnce(ctx, path); err2 == nil {
			a = b
		}
	}
	if err != nil {
		return red(what+" could not be read", trouble(err))
	}
	return judgeRead(a, what, again, lag, wait)
}

// tokenLag returns how far the clock of the FHIR server that refuses the token is behind the one that issued it, by their Dates; below
// 0 if it is ahead, 0 if that is not known.
func (d *doctor) tokenLag(a *answer) time.Duration {
	if a == nil || a.status != http.StatusUnauthorized {
		return 0
	}
	date, issued := peer.Date(a.header), d.issued.IssuedDate()
	if date.IsZero() || issued.IsZero() {
		return 0
	}
	return issued.Sub(date)
}

func (d *doctor) readOnce(ctx context.Context, path string) (*answer, error) {
	return d.get(ctx, d.src.BaseURL()+"/"+path, http.Header{
		"Authorization": d.issued.AuthorizationHeader(), "Accept": {"application/fhir+json"},
	}, 0)
}

func judgeRead(a *answer, what string, again bool, lag, waited time.Duration) Check {
	var resource struct {
		Type string `json:"resourceType"`
	}
	switch {
	case a.status == http.StatusUnauthorized && lag > waitedFor:
		return red("the FHIR server refuses a token that was just issued",
			fmt.Sprintf("its clock is %s behind the authorization server's, and the adapters wait 3 s at most: tell those who run it", seconds(lag)))
	case a.status == http.StatusUnauthorized && lag < -harmless:
		return red("the FHIR server refuses a token that was just issued",
			fmt.Sprintf("its clock is %s ahead of the authorization server's, so that the token has ended for it: tell those who run it", seconds(-lag)))
	case a.status == http.StatusUnauthorized:
		return red("the FHIR server refuses a token that was just issued, also a second later",
			"it cannot read the keys of its authorization server just now, or its clock is behind: try again, then tell those who run it",
			"Config.BaseURL and its authorization server do not belong together")
	case a.status == http.StatusForbidden:
		return yellow("the token is good, but the client may not read "+what, "ask for a role with that right, or name something else in Options.ReadPath")
	case a.status == http.StatusNotFound || a.status == http.StatusGone || a.status == http.StatusBadRequest:
		return yellow(fmt.Sprintf("the token is good, but the answer to %s is %d", what, a.status), "name something that is there in Options.ReadPath")
	case a.status >= 300 && a.status < 400:
		return red(fmt.Sprintf("the FHIR server redirects (%d), and a token is not sent on", a.status), "put the right URL into Config.BaseURL")
	case a.status == http.StatusTooManyRequests || a.status >= 500:
		return red(fmt.Sprintf("the FHIR server answers %d to %s", a.status, what), "it is in trouble, or it has too many requests (Koppeltaal allows some 5 a second): try again later")
	case a.status != http.StatusOK:
		return yellow(fmt.Sprintf("the FHIR server answers %d to %s", a.status, what), "name something else in Options.ReadPath")
	case json.Unmarshal(a.body, &resource) != nil || resource.Type == "":
		return yellow("200, but the answer is no FHIR resource", "check Config.BaseURL: it may be a portal that answers everything")
	case again:
		return yellow(fmt.Sprintf("%s was read, but only %s after the token was new", what, seconds(waited)), "the FHIR server's clock is behind; the adapters wait for it: tell those who run it")
	}
	return green("%s: 200", what)
}
