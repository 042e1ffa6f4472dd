//go:build !linux

// Package mariachild runs MariaDB servers for tests; only Linux lets them die with the test binary.
package mariachild

import (
	"errors"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

var errLinux = errors.New("a MariaDB server that dies with the test can be had on Linux only")

// A Server is one server.
type Server struct{}

// Start skips the test.
func Start(tb testing.TB, _ string, _ ...string) *Server {
	tb.Helper()
	require.Skip(tb, errLinux.Error())
	return &Server{}
}

// Port returns 0.
func (s *Server) Port() int { return 0 }

// Kill fails.
func (s *Server) Kill() error { return errLinux }

// Freeze fails.
func (s *Server) Freeze() error { return errLinux }

// Thaw fails.
func (s *Server) Thaw() error { return errLinux }

// Restart fails.
func (s *Server) Restart(...string) error { return errLinux }

// End does nothing.
func (s *Server) End() error { return nil }
