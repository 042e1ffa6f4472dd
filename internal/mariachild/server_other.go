//go:build !linux

// Package mariachild runs MariaDB servers for tests; only Linux lets them die with the test binary.
package mariachild

import (
	"errors"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

// ErrAbsent says that this machine cannot run a server.
var ErrAbsent = errors.New("a MariaDB server that dies with the program can be had on Linux only")

// A Server is one server.
type Server struct{}

// Start skips the test.
func Start(tb testing.TB, _ string, _ ...string) *Server {
	tb.Helper()
	require.Skip(tb, ErrAbsent.Error())
	return &Server{}
}

// Open fails.
func Open(string, ...string) (*Server, error) { return nil, ErrAbsent }

// Port returns 0.
func (s *Server) Port() int { return 0 }

// Kill fails.
func (s *Server) Kill() error { return ErrAbsent }

// Freeze fails.
func (s *Server) Freeze() error { return ErrAbsent }

// Thaw fails.
func (s *Server) Thaw() error { return ErrAbsent }

// Stop fails.
func (s *Server) Stop() error { return ErrAbsent }

// Restart fails.
func (s *Server) Restart(...string) error { return ErrAbsent }

// Pid returns 0.
func (s *Server) Pid() int { return 0 }

// End does nothing.
func (s *Server) End() error { return nil }
