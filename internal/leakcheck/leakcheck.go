// Package leakcheck fails a package's tests if they leave goroutines behind.
package leakcheck

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"time"
)

// Run runs the tests of m, a *testing.M, and returns the exit code for os.Exit: that of the tests, or 1 if a goroutine is left
// two seconds after the last one. It does not look for goroutines after fuzzing.
func Run(m interface{ Run() int }) int {
	before := runtime.NumGoroutine()
	code := m.Run()
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" { // fuzzing has goroutines of its own, which stay
		return code
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for end := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			return max(code, 1)
		}
	}
	return code
}
