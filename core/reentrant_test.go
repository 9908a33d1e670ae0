package smartauth_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// reentrant asks for a token while one is being acquired for it.
type reentrant struct {
	src  *smartauth.Source
	errs chan error
}

func (o *reentrant) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase == smartauth.PhaseAcquire {
		_, err := o.src.Token(ctx)
		o.errs <- err
	}
	return ctx
}

func (o *reentrant) PhaseEnd(context.Context, smartauth.PhaseEnd) {}

func TestReentrantMetadataIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reentrantMetadata{errs: make(chan error, 1)}
		_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		o.src = src
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-o.errs; err == nil || !strings.Contains(err.Error(), "within its own") {
			t.Errorf("error %v", err)
		}
	})
}

// reentrantMetadata asks for the metadata while it is being fetched.
type reentrantMetadata struct {
	src  *smartauth.Source
	errs chan error
}

func (o *reentrantMetadata) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase == smartauth.PhaseDiscover {
		_, err := o.src.Metadata(ctx)
		o.errs <- err
	}
	return ctx
}

func (o *reentrantMetadata) PhaseEnd(context.Context, smartauth.PhaseEnd) {}

func TestReentrantTokenIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reentrant{errs: make(chan error, 1)}
		_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		o.src = src
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-o.errs; err == nil || !strings.Contains(err.Error(), "within its own acquisition") {
			t.Errorf("error %v", err)
		}
	})
}
