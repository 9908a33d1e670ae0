package smarthttp

import (
	"bytes"
	"io"
	"reflect"
	"strings"
)

var nopCloser = reflect.TypeOf(io.NopCloser(new(bytes.Reader)))

// snapshot returns a body that reads what is left of body, and leaves that alone; nil if body is not an io.NopCloser over one of
// the readers that net/http knows to be in memory, and sends in one write with the header.
func snapshot(body io.ReadCloser) io.ReadCloser {
	if reflect.TypeOf(body) != nopCloser {
		return nil
	}
	switch r := reflect.ValueOf(body).Field(0).Interface().(type) {
	case *bytes.Reader:
		left := *r
		return io.NopCloser(&left)
	case *strings.Reader:
		left := *r
		return io.NopCloser(&left)
	case *bytes.Buffer:
		return io.NopCloser(bytes.NewReader(r.Bytes()))
	default:
		return nil
	}
}
