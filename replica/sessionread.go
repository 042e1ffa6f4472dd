package replica

import "database/sql"

func (r *Router) readSession(v *view, s *Session) *sql.DB {
	need := s.position()
	if len(need) > 0 && v.primaryPos.beyond(need) {
		need = nil // of another cluster, or made up
	}
	if len(v.readers) > 0 && !s.pinned.Load() {
		if i := s.last.Load(); i != 0 {
			if n := v.numbered(i - 1); n != nil && n.has(need) {
				n.picks.Add(1)
				return n.read
			}
		}
		// From a random one on, each is asked once.
		start := v.pick()
		at := 0
		for i := range v.readers {
			if v.readers[i].node == start {
				at = i
			}
		}
		for i := range v.readers {
			n := v.readers[v.next(at, i)].node
			if n.has(need) {
				s.last.Store(uint32(n.index) + 1)
				n.picks.Add(1)
				return n.read
			}
			n.hurry()
		}
	}
	return r.last(v)
}
