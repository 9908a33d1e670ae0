package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A launch under way gets its token and its page when the service stops, and one that comes then is not used up.
func TestStop(t *testing.T) {
	m := newModule(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	m.srv.OnRequest(func(r smarttest.Request) {
		if r.Endpoint == smarttest.Introspection {
			close(arrived)
			<-release
		}
	})
	form, answered, stopped := m.form(nil), make(chan int, 1), make(chan error, 1)
	go func() {
		status, _, _, _ := post(t.Context(), m.origin+launchPath, form)
		answered <- status
	}()
	<-arrived
	m.srv.OnRequest(nil)
	go func() { stopped <- m.stop() }()
	for m.server.service.underway.TryRLock() {
		m.server.service.underway.RUnlock()
		time.Sleep(time.Millisecond)
	}
	late := m.post(t, m.form(nil))
	if late.status != http.StatusServiceUnavailable || !strings.Contains(late.body, sayLater) {
		t.Errorf("%d: %s", late.status, late.body)
	}
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if n := m.srv.Counts().Introspections; n != 1 {
		t.Errorf("%d introspections", n)
	}
}
