package nfsproof

import (
	"testing"
	"time"
)

// Two machines on one store: what one has stored the other sees soon and whole.
func TestTwoFrontEnds(t *testing.T) {
	t.Parallel()
	b := bench(t)
	disk := newDisk(t)
	s, err := b.Serve(t.Context(), Knfsd, disk)
	if err != nil {
		t.Fatal(err)
	}
	defer kill(t, s.Guest)
	const files = 5000
	f, err := s.TwoFrontEnds(t.Context(), files, MountOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *f)
	if f.Published != 2*files || f.Read < 2*files {
		t.Errorf("%d files were stored and %d read, not %d", f.Published, f.Read, 2*files)
	}
	if f.Partial > 0 {
		t.Errorf("%d files were seen by half", f.Partial)
	}
	// A second is promised.
	if f.Slowest > 5*time.Second {
		t.Errorf("a file was seen after %v", f.Slowest)
	}
}
