package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/smartauth-go/smartauth/examples/internal/smartenv"
	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

// printer prints a report in the form that was asked for.
type printer struct {
	out, errOut           io.Writer
	json, support, colour bool
}

var colours = map[doctor.Status]string{doctor.Green: "\x1b[32m", doctor.Yellow: "\x1b[33m", doctor.Red: "\x1b[31m", doctor.Skipped: "\x1b[2m"}

// colourful tells whether colour is of use: out is a terminal, and nobody has asked for none (https://no-color.org).
func colourful(out io.Writer, environ []string) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	unwanted := func(entry string) bool {
		return entry == "TERM=dumb" || strings.HasPrefix(entry, "NO_COLOR=") && entry != "NO_COLOR="
	}
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && !slices.ContainsFunc(environ, unwanted)
}

// sandboxed says first that it is one: where it does not get into the JSON.
func (p printer) sandboxed() {
	out := p.out
	if p.json {
		out = p.errOut
	}
	_, _ = fmt.Fprintln(out, "SANDBOX: the servers run in this process, the client is made up, and nothing leaves this machine.")
}

func (p printer) print(r doctor.Report) error {
	r.Checks = slices.Clone(r.Checks)
	for i, c := range r.Checks { // in the words of whoever sets the variables
		do := make([]string, 0, len(c.Do))
		for _, text := range c.Do {
			do = append(do, smartenv.Terms(text))
		}
		r.Checks[i].Found, r.Checks[i].Do = smartenv.Terms(c.Found), do
	}
	switch {
	case p.json:
		encoder := json.NewEncoder(p.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			doctor.Report
			Support string `json:"support"`
		}{r, r.Support()})
	case p.support:
		_, err := fmt.Fprint(p.out, r.Support())
		return err
	}
	counts := map[doctor.Status]int{}
	for _, c := range r.Checks {
		line := c.String()
		if p.colour {
			word := c.Status.String()
			line = colours[c.Status] + word + "\x1b[0m" + strings.TrimPrefix(line, word)
		}
		if _, err := fmt.Fprint(p.out, line); err != nil {
			return err
		}
		counts[c.Status]++
	}
	_, err := fmt.Fprintf(p.out, "ok: %d, warn: %d, fail: %d, skip: %d\n", counts[doctor.Green], counts[doctor.Yellow], counts[doctor.Red], counts[doctor.Skipped])
	if err == nil && r.Status == doctor.Red {
		_, err = fmt.Fprintln(p.out, "With -support this becomes a text for a mail to those who run the server.")
	}
	return err
}
