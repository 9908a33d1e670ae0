// Package clean makes fit to be shown what others have written: servers, and libraries that quote them.
package clean

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const removed = "[removed]"

// A JWT is known by its beginning, that of a JSON object in base64url. Host names have parts as long. Some servers send small
// letters only.
var jwtShaped = regexp.MustCompile(`(?i)ey[AJ][A-Za-z0-9_-]{7,}\.[A-Za-z0-9_.-]*`)

// Text returns a text as one line of printable ASCII, without the secrets and without anything shaped like a JWT, cut to at most
// most bytes. Whatever else is in it is a space, and spaces are never two. A secret that is empty is none.
func Text(text string, most int, secrets ...string) string {
	text = strings.Join(strings.Fields(printable(text, ' ', secrets)), " ")
	return text[:min(len(text), most)]
}

// URL returns a URL without its query, fragment and user, which may be secret.
func URL(u *url.URL) string {
	c := *u
	c.RawQuery, c.ForceQuery, c.Fragment, c.RawFragment, c.User = "", false, "", "", nil
	return c.String()
}

// Value is [Text] for what must be recognised, such as a key id: spaces stay, other characters that are not printable ASCII are
// question marks, and dots tell that it is cut.
func Value(text string, most int, secrets ...string) string {
	text = printable(text, '?', secrets)
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

func printable(text string, instead rune, secrets []string) string {
	text = jwtShaped.ReplaceAllString(without(text, secrets), removed)
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return instead
		}
		return r
	}, text)
}

// without removes the secrets, also as they are in a URL or a form, and in small letters.
func without(text string, secrets []string) string {
	var forms []string
	for _, s := range secrets {
		if s != "" {
			forms = append(forms, s, url.QueryEscape(s), strings.ToLower(s))
		}
	}
	// The longest first: of a secret that begins with another nothing must stay.
	slices.SortStableFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, removed)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
