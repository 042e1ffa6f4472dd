package replicatest

import (
	"context"
	"errors"
	"time"
)

// A Link is all connections that one server opens to another, or that clients open to it, with
// what they carry in both directions. It has faults only in a [Topology] that is Partitionable.
type Link struct{ from, to *Server }

// From returns the link by which other reaches the server; nil stands for clients: every process that
// is no server of the group.
func (s *Server) From(other *Server) Link { return Link{from: other, to: s} }

var errForeign = errors.New("the other end of the link is not of this group")

var errRigid = errors.New("links have no faults here: set Topology.Partitionable")

func (l Link) set(f fault) {
	l.to.judge.Helper()
	l.to.do(func(context.Context) error {
		if l.to.relay == nil {
			return errRigid
		}
		if l.from != nil && l.from.group != l.to.group {
			return errForeign
		}
		l.to.relay.set(l.from, f)
		return nil
	})
}

// Cut has nothing pass any more, and nobody is told: connections hang, new ones too. What is under way
// passes after [Link.Heal], if both ends still wait for it, as in a network that was broken for a while.
func (l Link) Cut() { l.to.judge.Helper(); l.set(fault{cut: true}) }

// Refuse breaks all connections, what they carried is lost, and new ones are refused.
func (l Link) Refuse() { l.to.judge.Helper(); l.set(fault{refuse: true}) }

// Slow has everything arrive that much later, in both directions.
func (l Link) Slow(latency time.Duration) { l.to.judge.Helper(); l.set(fault{latency: latency}) }

// Heal ends every fault of the link.
func (l Link) Heal() { l.to.judge.Helper(); l.set(fault{}) }

// links are those of which the server is an end.
func (s *Server) links() []Link {
	list := []Link{s.From(nil)}
	for _, other := range s.group.Servers {
		if other != s {
			list = append(list, s.From(other), other.From(s))
		}
	}
	return list
}

// Isolate cuts all links from and to the server, those of clients too. A client that uses
// [Server.NearDSN] still reaches it.
func (s *Server) Isolate() {
	s.judge.Helper()
	for _, l := range s.links() {
		l.Cut()
	}
}

// Heal ends every fault of the links from and to the server.
func (s *Server) Heal() {
	s.judge.Helper()
	for _, l := range s.links() {
		l.Heal()
	}
}
