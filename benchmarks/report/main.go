// Command report writes docs/benchmarks.md and its plots from the results of run.sh, which are in the folder it is given.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run ./report FOLDER, in benchmarks/")
	}
	if err := write(os.Args[1], filepath.Join("..", "docs")); err != nil {
		log.Fatal("report: ", err)
	}
}

func write(from, to string) error {
	r, texts := make(results), make(map[string]string)
	for _, name := range []string{"results", "scenarios", "benchstat"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		texts[name] = string(text)
		if name == "benchstat" {
			continue
		}
		if err := r.read(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	files := plots(r)
	files["benchmarks.md"] = document(r, texts["results"], texts["benchstat"])
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(to, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

const introduction = `# Beside the peers

This file and its plots are written by ` + "`make bench`" + `; the program is in [benchmarks](../benchmarks). The peers are
golang.org/x/oauth2 (client credentials), the cached token provider of cloud.google.com/go/auth and the CredentialsCache of
aws-sdk-go-v2, each set up as its documentation says; google's transport is written out, as the package that has it brings gRPC. The *floor* is
the least that the work can cost. All have their defaults, but that x/oauth2 is told how to authenticate, or it would try twice. By
default google renews a token from 225 s before its end on, and so one of 120 s at every call; a smaller ExpireEarly would not.

Times are medians of rounds, each of which begins with another peer, and only their ratios within one run mean something. The
cold herd's token endpoint is a process of its own. Counts are of HTTP requests and calls: in virtual time where the peer allows
it, and they do not depend on the machine. A peer that holds a mutex during a token request is measured in real time, and has the
least of three runs; x/oauth2 crosses the expiry of a token of 12 s, of which it uses 2 s, the others that of one of 300 s. The
tests assert our counts and allocations; no test asserts a time. The commands are for the folder benchmarks/, with GOWORK=off; for
the times, make bench runs them in rounds.

With metrics a source counts its hits in one number that all goroutines share, so the more cores add to it at once, the longer each
waits for its turn: the target for that is for one goroutine, and the row for eight has none.

`

var yesNo = map[bool]string{true: "yes", false: "**no**"}

func document(r results, raw, benchstat string) string {
	var s, missed strings.Builder
	s.WriteString(introduction)
	cpu := regexp.MustCompile(`(?m)^cpu: (.*)$`).FindStringSubmatch(raw)
	if cpu == nil {
		cpu = []string{"", "unknown CPU"}
	}
	fmt.Fprintf(&s, "Measured %s with %s on %s/%s, %s, %d cores, %d rounds.\n\n", time.Now().Format("2006-01-02"), runtime.Version(),
		runtime.GOOS, runtime.GOARCH, strings.TrimSpace(cpu[1]), runtime.NumCPU(), len(r["TokenSerial"][ours][nanos]))
	s.WriteString("| what | target | smartauth | met | peers |\n|---|---|---|---|---|\n")
	rows := targets(r)
	for _, t := range rows {
		met := yesNo[t.met]
		if t.want == "" {
			met = ""
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s |\n", t.what, t.want, t.ours, met, t.peers)
		if !t.met {
			why := t.why
			if why == "" {
				why = "The spread that benchstat shows below tells how much of that may be what else the machine did."
			}
			fmt.Fprintf(&missed, "- **%s**: %s where %s is wanted. %s\n", t.what, t.ours, t.want, why)
		}
	}
	if missed.Len() > 0 {
		s.WriteString("\n## Missed\n\n" + missed.String())
	}
	s.WriteString("\n## Plots\n\n")
	for _, c := range charts(r) {
		fmt.Fprintf(&s, "![%s](%s)\n\n", c.alt, c.file)
	}
	s.WriteString("## What makes each figure\n\n| what | command |\n|---|---|\n")
	for _, t := range rows {
		fmt.Fprintf(&s, "| %s | `%s` |\n", t.what, t.command)
	}
	s.WriteString("\n## What benchstat says\n\n```\n" + strings.TrimSpace(benchstat) + "\n```\n")
	return s.String()
}
