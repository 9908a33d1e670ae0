package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
)

// complain prints err for whoever set the variables: what happened, and under it the likely causes, a line each.
func complain(out io.Writer, err error) {
	text := err.Error()
	var hints []string
	if e := (*smartauth.Error)(nil); errors.As(err, &e) {
		headline := *e
		headline.Hints, headline.RetryAt = nil, time.Time{} // when to try again means nothing to a program that ends
		text = strings.Replace(text, e.Error(), headline.Error(), 1)
		hints = e.Hints
	}
	_, _ = fmt.Fprintln(out, "quickstart:", smartenv.Terms(text))
	if len(hints) > 0 {
		_, _ = fmt.Fprintln(out, "likely causes:")
	}
	for _, hint := range hints {
		_, _ = fmt.Fprintln(out, "  -", smartenv.Terms(hint))
	}
}
