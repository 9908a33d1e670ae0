package smarttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	typeName   = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)
	resourceID = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)
)

// interact serves search, read, create and update (FHIR R4, RESTful API).
func (f *fhirServer) interact(w http.ResponseWriter, r *http.Request, path, granted string) {
	resource, id, instance := strings.Cut(path, "/")
	search := r.Method == http.MethodGet && !instance || r.Method == http.MethodPost && id == "_search"
	var letter byte
	switch {
	case !typeName.MatchString(resource) || instance && !search && !resourceID.MatchString(id):
		outcome(w, http.StatusNotFound, "not-found", "there is nothing at "+r.URL.Path)
		return
	case search:
		letter = 's'
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		letter = 'r'
	case r.Method == http.MethodPost && !instance:
		letter = 'c'
	case r.Method == http.MethodPut && instance:
		letter = 'u'
	default:
		outcome(w, http.StatusMethodNotAllowed, "not-supported", r.Method+" is not supported here")
		return
	}
	switch {
	case !permits(granted, resource, letter):
		f.forbidden(w)
	case !wantsJSON(r.Header.Get("Accept")):
		outcome(w, http.StatusNotAcceptable, "not-supported", "only application/fhir+json is served")
	case letter == 's':
		f.search(w, r, resource)
	case letter == 'r':
		f.read(w, resource, id)
	default:
		f.write(w, r, resource, id)
	}
}

func wantsJSON(accept string) bool {
	return accept == "" || strings.Contains(accept, "json") || strings.Contains(accept, "*/*") || strings.Contains(accept, "application/*")
}

// search knows the parameters _id, _count and the offset of its own next links; others do not narrow the result.
func (f *fhirServer) search(w http.ResponseWriter, r *http.Request, resource string) {
	_ = r.ParseForm()
	found := f.store.all(resource)
	if id := r.Form.Get("_id"); id != "" {
		found = found[:0:0]
		for _, wanted := range strings.Split(id, ",") {
			if one, ok := f.store.get(resource, wanted); ok {
				found = append(found, one)
			}
		}
	}
	total := len(found)
	count, offset := 20, 0
	for name, value := range map[string]*int{"_count": &count, "_getpagesoffset": &offset} {
		if text := r.Form.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				outcome(w, http.StatusBadRequest, "value", name+" is no number")
				return
			}
			*value = n
		}
	}
	first := min(offset, total)
	last := min(first+count, total)

	link := func(relation string, query url.Values) map[string]any {
		target := f.base + "/" + resource
		if len(query) > 0 {
			target += "?" + query.Encode()
		}
		return map[string]any{"relation": relation, "url": target}
	}
	links := []any{link("self", r.Form)}
	if last < total && count > 0 {
		r.Form.Set("_getpagesoffset", strconv.Itoa(last))
		links = append(links, link("next", r.Form))
	}
	bundle := map[string]any{"resourceType": "Bundle", "type": "searchset", "total": total, "link": links}
	var entries []any
	for _, one := range found[first:last] {
		entries = append(entries, map[string]any{
			"fullUrl": f.base + "/" + resource + "/" + one.id, "resource": one.content, "search": map[string]any{"mode": "match"},
		})
	}
	if entries != nil {
		bundle["entry"] = entries
	}
	writeJSON(w, http.StatusOK, fhirJSON, bundle)
}

func (f *fhirServer) read(w http.ResponseWriter, resource, id string) {
	one, ok := f.store.get(resource, id)
	if !ok {
		outcome(w, http.StatusNotFound, "not-found", "there is no "+resource+"/"+id)
		return
	}
	f.respond(w, http.StatusOK, one)
}

// write creates, or updates the instance that id names.
func (f *fhirServer) write(w http.ResponseWriter, r *http.Request, resource, id string) {
	switch contentType(r) {
	case "", "application/fhir+json", "application/json":
	default:
		outcome(w, http.StatusUnsupportedMediaType, "not-supported", "only application/fhir+json is taken")
		return
	}
	var content map[string]any
	if err := json.NewDecoder(r.Body).Decode(&content); err != nil {
		outcome(w, http.StatusBadRequest, "structure", "the body is no JSON object")
		return
	}
	if content["resourceType"] != resource {
		outcome(w, http.StatusBadRequest, "invalid", "the body is no "+resource)
		return
	}
	if id == "" {
		f.respond(w, http.StatusCreated, f.store.create(resource, content, f.clock.now()))
		return
	}
	if content["id"] != id {
		outcome(w, http.StatusBadRequest, "invalid", "the id in the body is not that in the URL")
		return
	}
	match := r.Header.Get("If-Match")
	if match == "" && f.profile == SMART {
		match = "*"
	}
	one, created, ok := f.store.update(resource, content, match, f.clock.now())
	switch {
	case !ok: // the Koppeltaal reference server demands If-Match (TOP-KT-002)
		outcome(w, http.StatusPreconditionFailed, "conflict", "If-Match is missing or not the current version")
	case created:
		f.respond(w, http.StatusCreated, one)
	default:
		f.respond(w, http.StatusOK, one)
	}
}

func (f *fhirServer) respond(w http.ResponseWriter, status int, one stored) {
	w.Header().Set("ETag", one.etag())
	w.Header().Set("Last-Modified", one.updated.UTC().Format(http.TimeFormat))
	if status == http.StatusCreated {
		w.Header().Set("Location", fmt.Sprintf("%s/%s/%s/_history/%d", f.base, one.resource, one.id, one.version))
	}
	writeJSON(w, status, fhirJSON, one.content)
}

func instantOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
