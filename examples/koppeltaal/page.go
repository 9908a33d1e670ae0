package main

import (
	"bytes"
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/smartauth-go/smartauth/koppeltaal"
)

// What the user is told: what to do, and nothing of what went wrong.
const (
	sayAgain = "This module could not be opened. Go back to the portal and start it again."
	sayLater = "This module cannot be opened at the moment. Try again later, from the portal."
	sayGone  = "What this module is to show is not there any more. Go back to the portal."
)

var pages = template.Must(template.New("").Parse(`
{{- define "head"}}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Module</title></head><body>
{{end}}{{define "foot"}}</body></html>
{{end}}
{{- define "task"}}{{template "head"}}<h1>{{.Launch.Resource}} ({{.Task.Status}}) for {{.Patient}}</h1>
<p>Launched by {{.Launch.Subject}}</p>
{{template "foot"}}{{end}}
{{- define "error"}}{{template "head"}}<h1>{{.Say}}</h1>
<p>If it goes on, tell the helpdesk these two:</p>
<dl><dt>Request</dt><dd>{{.RequestID}}</dd><dt>Trace</dt><dd>{{.TraceID}}</dd></dl>
{{template "foot"}}{{end}}`))

const (
	taskPage  = "task"
	errorPage = "error"
)

// complain shows the user the ids of what went wrong (TOP-KT-012c). The rest is in the log, under the same.
func (s *service) complain(ctx context.Context, w http.ResponseWriter, err error) {
	r := &refusal{http.StatusInternalServerError, sayLater, err}
	_ = errors.As(err, &r)
	level := slog.LevelWarn
	if r.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.log.Log(ctx, level, "a launch failed", "answer", r.status, "error", err)
	s.show(ctx, w, r.status, errorPage, struct {
		koppeltaal.Trace
		Say string
	}{koppeltaal.TraceFrom(ctx), r.say})
}

// show makes the whole page before any of it is sent: a template that fails must not end in half of one.
func (s *service) show(ctx context.Context, w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		s.log.ErrorContext(ctx, "a page could not be made", "page", name, "error", err)
		status = http.StatusInternalServerError
		page.Reset()
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // there is a patient on it
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}
