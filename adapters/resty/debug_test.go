package smartresty_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// resty prints headers as they are, and what it keeps of a request may be printed by anybody.
func TestNoTokenIsPrinted(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		client := retrying(s.attached(t)).SetDebug(true).EnableGenerateCurlOnDebug().EnableTrace().
			OnRequestLog(func(l *resty.RequestLog) error { s.log.Debugf("request log: %v", l.Header); return nil }).
			OnResponseLog(func(l *resty.ResponseLog) error { s.log.Debugf("response log: %v", l.Header); return nil })
		for _, statuses := range [][]int{nil, {401}, {503, 401}, {401, 401}, {503, 503, 503, 503}} {
			time.Sleep(time.Minute)
			s.failWith(statuses...)
			resp, err := client.R().SetBody(map[string]string{"resourceType": "Patient"}).Post("/Patient")
			if err != nil {
				t.Fatal(err)
			}
			s.log.Debugf("%v %v %v %v %+v", resp.Request.GenerateCurlCommand(), resp.Request.Header, resp.Request.RawRequest.Header,
				resp.RawResponse.Request.Header, resp.Request.TraceInfo())
			s.Clear()
		}
		s.Fail(smarttest.FHIR, smarttest.Fault{CloseConnection: true})
		if _, err := client.R().Get("/Patient"); err == nil {
			t.Error("there is no error of a connection that was closed")
		}
		s.Clear()
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusUnauthorized, Body: "Access Denied"})
		s.failWith(401)
		if _, err := client.R().Get("/Patient"); err == nil {
			t.Error("there is no error without a token")
		}

		printed := s.log.String()
		for _, want := range []string{"~~~ REQUEST ~~~", "~~~ REQUEST(CURL) ~~~", "curl -X POST", "request log:", "response log:", "ERROR", "Attempt 1"} {
			if !strings.Contains(printed, want) {
				t.Errorf("%q was not printed", want)
			}
		}
		if strings.Contains(printed, "Authorization") || strings.Contains(printed, "Bearer ey") {
			t.Error("an Authorization header was printed")
		}
		for _, r := range s.Requests() {
			if token := r.Bearer(); token != "" && strings.Contains(printed, token) {
				t.Fatal("a token was printed")
			}
		}
	})
}

// The trace of a request is that of the FHIR server's connection and answer, the last one's if a 401 was healed, and tells
// nothing of the authorization server.
func TestTraceIsTheFHIRCalls(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		const dialing, answering, authorizing = 100 * time.Millisecond, time.Second, 5 * time.Second
		cfg := s.NewClient(smarttest.ClientOptions{})
		cfg.HTTPClient = &http.Client{Transport: slowlyDialing(t, s, dialing)}
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		client := resty.NewWithClient(&http.Client{Transport: slowlyDialing(t, s, dialing)}).SetBaseURL(s.BaseURL()).EnableTrace()
		attach(t, client, src)
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: authorizing})

		var events []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GetConn:      func(hostPort string) { events = append(events, "get "+hostPort) },
			ConnectStart: func(_, addr string) { events = append(events, "connect "+addr) },
		})
		for _, c := range []struct {
			name   string
			faults []smarttest.Fault
			total  time.Duration // of the call, as its user sees it
			trace  resty.TraceInfo
		}{
			{"first", []smarttest.Fault{{Delay: answering}}, 3*dialing + authorizing + answering, // three servers
				resty.TraceInfo{ConnTime: dialing, TCPConnTime: dialing, ServerTime: answering, TotalTime: dialing + answering}},
			{"healed", []smarttest.Fault{{Times: 1, Status: 401, Delay: 2 * answering}, {Delay: answering}}, 3*answering + authorizing,
				resty.TraceInfo{ServerTime: answering, TotalTime: answering, IsConnReused: true, IsConnWasIdle: true, ConnIdleTime: authorizing}},
		} {
			s.Fail(smarttest.FHIR, c.faults...)
			begin := time.Now()
			resp := search(t, client.R().SetContext(ctx), http.StatusOK)
			if took := time.Since(begin); took != c.total {
				t.Errorf("%s: the call took %v, want %v", c.name, took, c.total)
			}
			got := resp.Request.TraceInfo()
			c.trace.RequestAttempt, c.trace.RemoteAddr = 1, got.RemoteAddr
			if got != c.trace {
				t.Errorf("%s: the trace is %+v, want %+v", c.name, got, c.trace)
			}
		}
		host := strings.TrimPrefix(s.FHIROrigin(), "http://")
		if want := fmt.Sprint([]string{"get " + host, "connect " + host, "get " + host, "get " + host}); fmt.Sprint(events) != want {
			t.Errorf("the trace tells %v, want %s", events, want)
		}
	})
}

// slowlyDialing takes its time, and tells the trace as a net.Dialer does.
func slowlyDialing(t *testing.T, s *sandbox, d time.Duration) http.RoundTripper {
	below := s.Transport().Clone()
	t.Cleanup(below.CloseIdleConnections)
	below.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		trace := httptrace.ContextClientTrace(ctx)
		if trace != nil && trace.ConnectStart != nil {
			trace.ConnectStart(network, addr)
		}
		time.Sleep(d)
		conn, err := s.Transport().DialContext(ctx, network, addr)
		if trace != nil && trace.ConnectDone != nil {
			trace.ConnectDone(network, addr, err)
		}
		return conn, err
	}
	return below
}
