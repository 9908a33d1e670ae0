package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

// grace is how long launches that are under way may take when the service is to stop.
const grace = 20 * time.Second

// serve serves until ctx ends.
func serve(ctx context.Context, addr string, c configuration, log *slog.Logger) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server, err := start(l, c, log)
	if err != nil {
		_ = l.Close()
		return err
	}
	checkUp(ctx, c, log)
	select {
	case err := <-server.ended:
		return err
	case <-ctx.Done():
		return server.stop()
	}
}

// A server is an http.Server that was started.
type server struct {
	*http.Server
	service *service
	ended   chan error
}

// start has the service listen. Each limit is for clients that are slow or send much, by mistake or on purpose.
func start(l net.Listener, c configuration, log *slog.Logger) (*server, error) {
	s, err := newService(c, log)
	if err != nil {
		return nil, err
	}
	h, err := s.handler(c)
	if err != nil {
		return nil, err
	}
	running := &server{service: s, ended: make(chan error, 1), Server: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // an introspection, a token, two reads and an AuditEvent are in it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	go func() { running.ended <- running.Serve(l) }()
	log.Info("the service listens", "address", l.Addr().String(), "fhir_server", s.src.BaseURL())
	return running, nil
}

// stop lets the launches under way end, and takes no more. Not before that it closes the listener: for their tokens Koppeltaal reads
// the keys there.
func (s *server) stop() error {
	s.service.log.Info("the service stops")
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		s.service.underway.Lock()
		close(drained)
	}()
	select {
	case <-drained:
	case <-ctx.Done():
	}
	err := s.Shutdown(ctx)
	if err != nil {
		_ = s.Close()
	}
	if served := <-s.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// checkUp logs what the doctor finds. Whatever it is, the service goes on: it may pass, and launches say so otherwise. It comes
// after start, for the doctor reads the keys where they are published.
func checkUp(ctx context.Context, c configuration, log *slog.Logger) doctor.Report {
	report := doctor.Run(ctx, doctor.Options{Config: c.Config, KeyFile: c.keyFile, JWKSURL: c.jwksURL, ReadPath: c.readPath})
	for _, check := range report.Checks {
		level := map[doctor.Status]slog.Level{doctor.Yellow: slog.LevelWarn, doctor.Red: slog.LevelError}[check.Status]
		log.Log(ctx, level, "doctor", "check", check.Name, "status", check.Status.String(), "found", check.Found, "do", check.Do)
	}
	log.InfoContext(ctx, "doctor", "status", report.Status.String(), "took", report.Took.String())
	return report
}
