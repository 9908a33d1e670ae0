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
// how long caches may take to learn of a new key, and how long a withdrawn one stays good for them; 0 forbids caching. If src has
// an error the answer is 500, and the error goes to package slog's default logger.
func Handler(src Source, maxAge time.Duration) http.Handler {
	caching := "no-store"
	if seconds := int(maxAge / time.Second); seconds > 0 {
		caching = fmt.Sprintf("public, max-age=%d", seconds)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		keys, err := src.PublicKeys()
		var body []byte
		if err == nil {
			body, err = Marshal(keys...)
		}
		if err != nil {
			slog.ErrorContext(r.Context(), "the JWKS cannot be served", "error", err)
			http.Error(w, "the keys are not available", http.StatusInternalServerError)
			return
		}
		sum := sha256.Sum256(body)
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", caching)
		h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // conditional requests, HEAD, Content-Length
	})
}
