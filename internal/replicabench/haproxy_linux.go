package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/internal/child"
)

// haproxy puts HAProxy before a server, as a proxy that looks at nothing; nil without HAProxy.
func (b *bench) haproxy(ctx context.Context, server *mysql.Config) (db *sql.DB, stop func() error, err error) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/haproxy"); err != nil {
			b.missing = append(b.missing, "HAProxy")
			return nil, nil, nil
		}
	}
	dir, err := os.MkdirTemp("", "replicabench-")
	if err != nil {
		return nil, nil, err
	}
	var p *child.Process
	stop = func() error {
		var errs []error
		if db != nil {
			errs = append(errs, db.Close())
		}
		if p != nil {
			errs = append(errs, p.Kill())
		}
		return errors.Join(append(errs, os.RemoveAll(dir))...)
	}
	fail := func(err error) (*sql.DB, func() error, error) { return nil, nil, errors.Join(err, stop()) }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fail(err)
	}
	front := l.Addr().String()
	if err := l.Close(); err != nil {
		return fail(err)
	}
	settings := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf(`global
  nbthread 1
defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen database
  bind %s
  server replica %s
`, front, server.Addr)
	if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
		return fail(err)
	}
	if p, err = child.Start(exec.Command(program, "-db", "-f", settings)); err != nil {
		return fail(err)
	}
	through := server.Clone()
	through.Addr = front
	if db, err = direct(through); err != nil {
		return fail(err)
	}
	for range 100 {
		if err = db.PingContext(ctx); err == nil {
			break
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fail(err)
		}
	}
	if err != nil {
		return fail(fmt.Errorf("HAProxy does not work: %w\n%s", err, p.Log()))
	}
	out, err := exec.CommandContext(ctx, program, "-v").Output()
	if err != nil {
		return fail(err)
	}
	if words := strings.Fields(string(out)); len(words) > 2 {
		b.version("HAProxy " + words[2])
	}
	return db, stop, nil
}
