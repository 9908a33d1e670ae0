package smarttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"time"
)

// maxBody is the largest request body the sandbox takes, and maxDiscard what it reads of a larger one, so that the client gets
// to read the answer.
const (
	maxBody    = 16 << 20
	maxDiscard = 64 << 20
)

// handle does for every endpoint what is not its own business: recording, faults and the Date header.
func (s *Server) handle(e Endpoint, c *clock, w http.ResponseWriter, r *http.Request, h http.HandlerFunc) {
	s.record.count(e)
	// net/http notices that a client has left only once the request's body was read, and a withheld response has to.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	tooLarge := len(body) > maxBody
	if tooLarge {
		body = nil
		_, err = io.CopyN(io.Discard, r.Body, maxDiscard)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r = s.record.arrived(e, r, body)

	out := &response{ResponseWriter: w, request: r, clock: c, closing: s.closing,
		answered: func(status int) { s.record.answered(e, status) }}
	if tooLarge {
		out.Header().Set("Connection", "close")
		writeText(out, http.StatusRequestEntityTooLarge, "text/plain; charset=utf-8", "Content Too Large")
		return
	}
	if out.fault = s.faults.take(e); out.fault.replaces() {
		h = out.fault.answer
	}
	h(out, r)
	if out.status == 0 {
		out.WriteHeader(http.StatusOK)
	}
}

// A response is a ResponseWriter that lets a fault do its work when the header is about to be sent.
type response struct {
	http.ResponseWriter
	request  *http.Request
	clock    *clock
	fault    *Fault
	closing  <-chan struct{}
	answered func(status int)
	status   int
	sent     int // of the body, with Fault.Part or Drip
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols { // the answer is still to come
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.status = status
	if w.fault != nil {
		f := *w.fault
		if f.Part > 0 {
			f.Hang, f.CloseConnection, f.Reset = false, false, false // later
		}
		w.withhold(f)
	}
	w.Header().Set("Date", w.clock.date())
	if w.fault != nil {
		maps.Copy(w.Header(), w.fault.Header)
	}
	w.answered(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if f := w.fault; f != nil && (f.Part > 0 || f.Drip > 0) {
		return w.writeSlowly(b)
	}
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is for http.ResponseController, which would otherwise flush past WriteHeader.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// withhold returns when the response, or the next of it, may be sent. If it may not, it ends the handler, which closes the connection.
func (w *response) withhold(f Fault) {
	if f.Delay > 0 || f.Hang {
		var late <-chan time.Time
		if !f.Hang {
			timer := time.NewTimer(f.Delay)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-late:
		case <-w.request.Context().Done():
			panic(http.ErrAbortHandler)
		case <-w.closing:
			panic(http.ErrAbortHandler)
		}
	}
	if f.Reset {
		if conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	}
	if f.Reset || f.CloseConnection {
		panic(http.ErrAbortHandler)
	}
}

func writeText(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // everything the sandbox sends is made of JSON values
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

const textHTML = "text/html; charset=utf-8"

// writeHTML answers with the page that Flask, which the reference authorization server is made of, has for a status.
func writeHTML(w http.ResponseWriter, status int, text string) {
	title := http.StatusText(status)
	writeText(w, status, textHTML, "<!doctype html>\n<html lang=en>\n<title>"+http.StatusText(status)+"</title>\n<h1>"+title+
		"</h1>\n<p>"+text+"</p>\n")
}
