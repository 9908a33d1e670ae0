package smartauth_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// No timer or goroutine outlives an acquisition and keeps its Source: it needs no Close.
func TestDroppedSourceIsCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := func() weak.Pointer[smartauth.Source] {
			_, src := sandbox(t, nil)
			if _, err := src.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			return weak.Make(src)
		}()
		synctest.Wait()
		for range 10 { // fewer than the seconds that an acquisition may take
			time.Sleep(time.Second) // the runtime forgets timers that were stopped when it looks for others
			runtime.GC()
		}
		if src.Value() != nil {
			t.Error("something keeps it")
		}
	})
}
