package nfsproof

import "testing"

// A file that is open on a mount, and is lost or replaced on the server, goes on when it is the same
// still; else the reader is told, and never takes a part for the whole.
func TestStaleFiles(t *testing.T) {
	t.Parallel()
	b := bench(t)
	s, err := b.Serve(t.Context(), Knfsd, newDisk(t))
	if err != nil {
		t.Fatal(err)
	}
	defer kill(t, s.Guest)
	client, err := s.Client(t.Context(), 1, MountOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer kill(t, client)
	got, same, err := s.Stale(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if r := got[StaleSame]; r.Error != "" || r.Sum != same {
		t.Errorf("of the same content: %+v, want %s", r, same)
	}
	if r := got[StaleOther]; !r.Changed || r.Unavailable {
		t.Errorf("of other content: %+v, want ErrChanged", r)
	}
	if r := got[StaleGone]; !r.Unavailable || r.Changed {
		t.Errorf("of none: %+v, want ErrUnavailable", r)
	}
}
