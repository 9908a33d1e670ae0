package smarttest

import "strings"

// A scope is one of the form system/Type.cruds?query (SMART App Launch 2.2, scopes; TOP-KT-005a).
type scope struct {
	text     string
	resource string // or *
	letters  string // of "cruds"
	query    string
}

func parseScope(s string) (scope, bool) {
	name, query, _ := strings.Cut(s, "?")
	rest, system := strings.CutPrefix(name, "system/")
	resource, rights, found := strings.Cut(rest, ".")
	if !system || !found || resource == "" {
		return scope{}, false
	}
	switch rights { // the forms of version 1
	case "read":
		rights = "rs"
	case "write":
		rights = "cud"
	case "*":
		rights = "cruds"
	}
	order := "cruds"
	for _, letter := range rights { // each at most once, in this order
		i := strings.IndexRune(order, letter)
		if i < 0 {
			return scope{}, false
		}
		order = order[i+1:]
	}
	return scope{text: s, resource: resource, letters: rights, query: query}, rights != ""
}

// within returns s, narrowed to what allowed covers; empty if that is nothing.
func (s scope) within(allowed scope) string {
	resource := s.resource
	switch {
	case allowed.resource == "*" || allowed.resource == s.resource:
	case s.resource == "*":
		resource = allowed.resource
	default:
		return ""
	}
	var letters strings.Builder
	for _, letter := range s.letters {
		if strings.ContainsRune(allowed.letters, letter) {
			letters.WriteRune(letter)
		}
	}
	query := s.query
	if allowed.query != "" && query == "" {
		query = allowed.query
	}
	switch {
	case letters.Len() == 0:
		return ""
	case resource == s.resource && letters.Len() == len(s.letters) && query == s.query:
		return s.text
	}
	narrowed := "system/" + resource + "." + letters.String()
	if query != "" {
		narrowed += "?" + query
	}
	return narrowed
}

// permits tells whether granted scopes allow what a letter of "cruds" stands for. The query of a scope is not looked at:
// the store knows no owners.
func permits(granted, resource string, letter byte) bool {
	for _, text := range strings.Fields(granted) {
		s, ok := parseScope(text)
		if ok && (s.resource == "*" || s.resource == resource) && strings.IndexByte(s.letters, letter) >= 0 {
			return true
		}
	}
	return false
}
