//go:build !linux

package nfsd

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// A Server serves NFS. It exists on Linux only.
type Server struct{}

// New fails with [errors.ErrUnsupported]: handles of files that survive a restart are Linux's.
func New(c Config) (*Server, error) {
	if _, err := c.checked(); err != nil {
		return nil, fmt.Errorf("nfsd: %w", err)
	}
	return nil, fmt.Errorf("nfsd: an NFS server needs Linux: %w", errors.ErrUnsupported)
}

// Serve fails as New does.
func (s *Server) Serve(context.Context, net.Listener) error { return errors.ErrUnsupported }

// Stats returns zeros.
func (s *Server) Stats() Stats { return Stats{} }
