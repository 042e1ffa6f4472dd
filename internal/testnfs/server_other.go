//go:build !linux

package testnfs

import (
	"os/exec"

	"github.com/sugarlabs/beamrider/internal/require"
)

type machine struct{}

func (s *Server) boot() { s.tb.Helper(); s.unsupported() }

func (s *Server) unsupported() {
	s.tb.Helper()
	require.Skip(s.tb, "an NFS server of its own can be had on Linux only")
}

// Dir returns the exported directory as the server sees it.
func (s *Server) Dir() string { s.unsupported(); return "" }

// Command returns a program that, when started, runs in the server's network.
func (s *Server) Command(name string, args ...string) (cmd *exec.Cmd, path string) {
	s.unsupported()
	return nil, ""
}

// Kill kills the server.
func (s *Server) Kill() { s.tb.Helper(); s.unsupported() }

// Stop freezes the server.
func (s *Server) Stop() { s.tb.Helper(); s.unsupported() }

// Cont lets a frozen server go on.
func (s *Server) Cont() { s.tb.Helper(); s.unsupported() }

// Start starts a killed server again.
func (s *Server) Start() { s.tb.Helper(); s.unsupported() }
