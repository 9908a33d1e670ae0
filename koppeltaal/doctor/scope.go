package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/smartauth-go/smartauth/internal/clean"
)

func (d *doctor) scope(context.Context) Check {
	granted := clean.Value(d.issued.Scope(), 512, d.issued.AccessToken()) // which an odd server might repeat
	if granted == "" {
		if len(d.Config.Scopes) == 0 {
			return red("the token has none: it is good for nothing", "ask those who administer the domain to give the application a role; tokens have it from the next one on")
		}
		return yellow("the server does not say which it granted", "by RFC 6749 those that were asked for; at Koppeltaal it means that the client has no role")
	}
	if missing := notGranted(d.Config.Scopes, strings.Fields(d.issued.Scope())); len(missing) > 0 {
		return yellow("not granted: "+strings.Join(missing, " "), "granted were "+granted, "Koppeltaal goes by the role; other servers by what is registered")
	}
	return green("%s", granted)
}

// notGranted returns the scopes that were asked for and are not covered by those granted. For all resources, "*", servers grant what
// the client may have of them, which is no less than was asked for.
func notGranted(wanted, granted []string) (missing []string) {
	for _, text := range wanted {
		w, ok := parseScope(text)
		if ok && w.resource == "*" || slices.Contains(granted, text) {
			continue
		}
		letters := ""
		for _, g := range granted {
			if g, ok := parseScope(g); ok && g.level == w.level && (g.resource == w.resource || g.resource == "*") {
				letters += g.letters
			}
		}
		if !ok || strings.ContainsFunc(w.letters, func(c rune) bool { return !strings.ContainsRune(letters, c) }) {
			missing = append(missing, text)
		}
	}
	return missing
}

// resourceScope is a SMART scope such as system/Patient.rs?status=active, without its query.
type resourceScope struct{ level, resource, letters string }

// version1 has what the permissions of SMART 1 are in SMART 2.
var version1 = map[string]string{"read": "rs", "write": "cud", "*": "cruds"}

func parseScope(text string) (resourceScope, bool) {
	text, _, _ = strings.Cut(text, "?")
	level, rest, _ := strings.Cut(text, "/")
	resource, letters, ok := strings.Cut(rest, ".")
	if v2 := version1[letters]; v2 != "" {
		letters = v2
	}
	return resourceScope{level, resource, letters}, ok && level != "" && resource != "" && letters != "" && strings.Trim(letters, "cruds") == ""
}
