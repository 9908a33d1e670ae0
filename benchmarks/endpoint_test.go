package benchmarks

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endpointDelay is a variable of the environment: with it, the test program is a token endpoint that takes so long, until its
// standard input ends.
const endpointDelay = "BENCHMARKS_ENDPOINT_DELAY"

func serveEndpoint(delay time.Duration) {
	var requests atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, requests.Load()) })
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		time.Sleep(delay)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "token", "token_type": "bearer", "expires_in": int(tokenLifetime.Seconds())})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() { log.Fatal(http.Serve(listener, mux)) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// elsewhere moves the token endpoint into a process of its own, as users have it. In one process with a herd it would wait for
// the herd's goroutines: the scheduler asks the network last.
func (w *world) elsewhere(tb testing.TB, delay time.Duration) {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), endpointDelay+"="+delay.String())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			tb.Error(err)
		}
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	w.remote = strings.TrimSpace(url)
}

// TokenURL is where the peers ask for tokens.
func (w *world) TokenURL() string {
	if w.remote != "" {
		return w.remote + "/token"
	}
	return w.Server.TokenURL()
}

// tokenRequests tells how many there were.
func (w *world) tokenRequests(tb testing.TB) int64 {
	tb.Helper()
	if w.remote == "" {
		return w.requests.Load()
	}
	resp, err := w.Client().Get(w.remote + "/requests")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}
