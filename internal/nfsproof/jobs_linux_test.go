package nfsproof

import (
	"testing"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// The kernel's client finds the same with every server.
func TestKernelClient(t *testing.T) {
	b := bench(t)
	for _, kind := range []Server{Knfsd, Ganesha, Nfsd} {
		t.Run(string(kind), func(t *testing.T) {
			disk := newDisk(t)
			s, err := b.Serve(t.Context(), kind, disk)
			if err != nil {
				t.Fatal(err)
			}
			defer kill(t, s.Guest)
			client, err := s.Client(t.Context(), 1, MountOptions)
			if err != nil {
				t.Fatal(err)
			}
			defer kill(t, client)
			results, err := s.Jobs(t.Context(), client, 10_000)
			if err != nil {
				t.Fatalf("%v\n%s", err, client.Log())
			}
			for _, r := range results {
				t.Logf("%s: %v", r.Job, r.Took)
				if r.Error != "" {
					t.Errorf("%s: %s", r.Job, r.Error)
				}
			}
			if len(results) != JobCount {
				t.Errorf("%d jobs were done, not %d", len(results), JobCount)
			}
		})
	}
}

func kill(t *testing.T, g *guest.Guest) {
	if err := g.Kill(); err != nil {
		t.Error(err)
	}
}

func newDisk(t *testing.T) *guest.Disk {
	t.Helper()
	d, err := guest.NewDisk(t.Context(), diskSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
