// Tracing shows what operators see of the token acquisitions: it takes a client through a cold start, a hit, a refresh in the
// background, a revocation, several callers at once and an outage of the authorization server, and draws each trace as a
// waterfall. Everything runs in this process. On standard error is what goes to the log meanwhile.
//
// With OTEL_EXPORTER_OTLP_ENDPOINT set, spans and metrics are exported, and nothing is drawn. The variables of OpenTelemetry for
// one of them, such as OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, count too.
//
// It is a module of its own: the exporters bring gRPC and much else, which the other examples do not need.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], smarttest.Options{}, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 1 if something failed, 2 if the arguments make no sense.
func run(ctx context.Context, args []string, sandbox smarttest.Options, out, errOut io.Writer) int {
	s, err := parse(args, errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil: // the flag package has said it
		return 2
	}
	if err := s.show(ctx, sandbox, out, errOut); err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintln(errOut, "tracing:", err)
		return 1
	}
	return 0
}

// settings are what the arguments say.
type settings struct {
	svg     string
	metrics string
	goOn    time.Duration
}

func parse(args []string, errOut io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("tracing", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.StringVar(&s.svg, "svg", "", "`file` to draw the trace of the revocation to, as a picture")
	flags.StringVar(&s.metrics, "metrics", "", "loopback `address`, such as 127.0.0.1:9464, to show the metrics at, for Prometheus; calls then go on for a while")
	flags.DurationVar(&s.goOn, "for", 30*time.Second, "how long calls go on with -metrics")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = fmt.Sprint("arguments are not understood: ", flags.Args())
	case s.metrics != "" && !isLoopback(s.metrics):
		wrong = "-metrics " + s.metrics + " is not a loopback address with a port"
	default:
		return s, nil
	}
	_, _ = fmt.Fprintln(errOut, wrong)
	flags.Usage()
	return s, errors.New(wrong)
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

func (s settings) show(ctx context.Context, sandbox smarttest.Options, out, errOut io.Writer) (err error) {
	tel, err := newTelemetry(ctx, s.metrics)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.close()) }()
	observer := newObserver(tel, errOut)

	_, _ = fmt.Fprintln(out, "SANDBOX: the servers run in this process, and answer as late as if they did not.")
	story := &story{telemetry: tel, out: out, svg: s.svg}
	if err := story.tell(ctx, sandbox, observer); err != nil {
		return err
	}
	if s.metrics == "" {
		return nil
	}
	_, _ = fmt.Fprintf(out, "\nMetrics are at http://%s/metrics for %v.\n", tel.address, s.goOn)
	return goOn(ctx, s.goOn, tel, sandbox, observer, out)
}
