package smarttest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// A stored resource is immutable: an update replaces it.
type stored struct {
	resource string
	id       string
	version  int
	updated  time.Time
	content  map[string]any
}

func (s stored) etag() string { return fmt.Sprintf(`W/"%d"`, s.version) }

type store struct {
	mu    sync.Mutex
	types map[string][]stored // in the order of creation
}

func (s *store) find(resource, id string) int {
	return slices.IndexFunc(s.types[resource], func(one stored) bool { return one.id == id })
}

func (s *store) get(resource, id string) (stored, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(resource, id); i >= 0 {
		return s.types[resource][i], true
	}
	return stored{}, false
}

func (s *store) all(resource string) []stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.types[resource])
}

func newStored(resource, id string, version int, content map[string]any, now time.Time) stored {
	content = maps.Clone(content)
	content["id"] = id
	meta, _ := content["meta"].(map[string]any)
	if meta = maps.Clone(meta); meta == nil {
		meta = make(map[string]any)
	}
	meta["versionId"], meta["lastUpdated"] = fmt.Sprint(version), instantOf(now)
	content["meta"] = meta
	return stored{resource: resource, id: id, version: version, updated: now, content: content}
}

func (s *store) create(resource string, content map[string]any, now time.Time) stored {
	one := newStored(resource, uuid.NewString(), 1, content, now)
	s.put(one)
	return one
}

func (s *store) put(one stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.types[one.resource] = append(s.types[one.resource], one)
}

// update needs match to be the current ETag or "*"; a resource that does not exist is created.
func (s *store) update(resource string, content map[string]any, match string, now time.Time) (one stored, created, ok bool) {
	id, _ := content["id"].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(resource, id)
	if i < 0 {
		one = newStored(resource, id, 1, content, now)
		s.types[resource] = append(s.types[resource], one)
		return one, true, true
	}
	old := s.types[resource][i]
	if match != "*" && match != old.etag() {
		return stored{}, false, false
	}
	one = newStored(resource, id, old.version+1, content, now)
	s.types[resource][i] = one
	return one, false, true
}

// capabilities lists what the CapabilityStatement says of each type.
func (s *store) capabilities() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []any
	for _, resource := range slices.Sorted(maps.Keys(s.types)) {
		var interactions []any
		for _, code := range []string{"read", "search-type", "create", "update"} {
			interactions = append(interactions, map[string]any{"code": code})
		}
		all = append(all, map[string]any{"type": resource, "interaction": interactions})
	}
	return all
}

// seededStore holds Patient/patient-1 to patient-3 and Task/task-1 and task-2.
func seededStore(now time.Time) *store {
	s := &store{types: make(map[string][]stored)}
	for i, family := range []string{"Jansen", "De Vries", "Bakker"} {
		s.put(newStored("Patient", fmt.Sprintf("patient-%d", i+1), 1, map[string]any{
			"resourceType": "Patient",
			"active":       true,
			"name":         []any{map[string]any{"use": "official", "family": family}},
		}, now))
	}
	for i, status := range []string{"requested", "in-progress"} {
		s.put(newStored("Task", fmt.Sprintf("task-%d", i+1), 1, map[string]any{
			"resourceType": "Task",
			"status":       status,
			"intent":       "order",
			"for":          map[string]any{"reference": fmt.Sprintf("Patient/patient-%d", i+1)},
		}, now))
	}
	return s
}
