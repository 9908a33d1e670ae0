package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// cached answers like a cache in front of h that keeps a response for maxAge.
func cached(h http.Handler) http.Handler {
	var mu sync.Mutex
	var kept *httptest.ResponseRecorder
	var until time.Time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); kept == nil || !now.Before(until) {
			kept, until = httptest.NewRecorder(), now.Add(maxAge)
			h.ServeHTTP(kept, r)
		}
		maps.Copy(w.Header(), kept.Header())
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	})
}
