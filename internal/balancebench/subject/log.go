package main

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// A logger writes a line of JSON for each request.
type logger struct {
	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	line []byte
}

func openLog(name string) (*logger, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &logger{file: f, w: bufio.NewWriterSize(f, 64<<10)}, nil
}

// run writes what has gathered each second, and the rest at the end.
func (l *logger) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	flush := func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.w.Flush()
	}
	for {
		select {
		case <-ctx.Done():
			return errors.Join(flush(), l.file.Close())
		case <-tick.C:
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

func (l *logger) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s := &seen{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			took := time.Since(began)
			l.mu.Lock()
			defer l.mu.Unlock()
			b := began.UTC().AppendFormat(append(l.line[:0], `{"time":"`...), "2006-01-02T15:04:05.000Z")
			b = append(append(b, `","client":"`...), r.RemoteAddr...)
			b = strconv.AppendQuote(append(b, `","method":`...), r.Method)
			b = strconv.AppendQuote(append(b, `,"target":`...), r.RequestURI)
			b = strconv.AppendInt(append(b, `,"status":`...), int64(s.status), 10)
			b = strconv.AppendInt(append(b, `,"bytes":`...), s.bytes, 10)
			b = strconv.AppendInt(append(b, `,"us":`...), took.Microseconds(), 10)
			l.line = append(b, "}\n"...)
			l.w.Write(l.line) // an error stays, and is told by the next flush
		}()
		next.ServeHTTP(s, r)
	})
}

type seen struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (s *seen) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *seen) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p)
	s.bytes += int64(n)
	return n, err
}

// Unwrap is for [http.ResponseController].
func (s *seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }
