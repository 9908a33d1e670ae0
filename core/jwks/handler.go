package jwks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Handler serves the JWKS of src to GET and HEAD, with an ETag, and with a Cache-Control of maxAge, in whole seconds. maxAge is
// how long caches may take to learn of a new key, and how long a withdrawn one stays good for them; 0 forbids caching. With a
// [Ring] it is the ring's MaxAge at most, and caching is forbidden while the ring cannot load its keys. If src has an error the
// answer is 500, and the error goes to package slog's default logger.
func Handler(src Source, maxAge time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		body, maxAge, err := document(src, maxAge)
		if err != nil {
			slog.ErrorContext(r.Context(), "the JWKS cannot be served", "error", err)
			http.Error(w, "the keys are not available", http.StatusInternalServerError)
			return
		}
		caching := "no-store"
		if seconds := int(maxAge / time.Second); seconds > 0 {
			caching = fmt.Sprintf("public, max-age=%d", seconds)
		}
		sum := sha256.Sum256(body)
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", caching)
		h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
		whole := *r // a part of a JWKS is of use to nobody
		whole.Header = r.Header.Clone()
		whole.Header.Del("Range")
		http.ServeContent(w, &whole, "", time.Time{}, bytes.NewReader(body)) // conditional requests, HEAD, Content-Length
	})
}

// document returns the JWKS of src, and how long a cache may keep it.
func document(src Source, maxAge time.Duration) ([]byte, time.Duration, error) {
	if ring, ok := src.(interface{ published() ([]Key, time.Duration) }); ok {
		keys, most := ring.published()
		body, err := Marshal(keys...)
		return body, min(maxAge, most), err
	}
	keys, err := src.PublicKeys()
	if err != nil {
		return nil, 0, err
	}
	body, err := Marshal(keys...)
	return body, maxAge, err
}
