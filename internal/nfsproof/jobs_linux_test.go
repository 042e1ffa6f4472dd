package nfsproof

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// symlinks are the tests of go-fuse that need symbolic links, which our server has not.
var symlinks = []string{"SymlinkReadlink", "OpenSymlinkRace"}

// The kernel's client finds the same with every server, and our own does to it no worse than NFS-Ganesha
// in what others test file systems by.
func TestKernelClient(t *testing.T) {
	t.Parallel()
	b := bench(t)
	posix := filepath.Join(t.TempDir(), "posix")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", posix, "github.com/sugarlabs/beamrider/internal/posixjudge")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	verdicts := make(map[Server]map[string]string)
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
			if kind == Knfsd {
				return
			}
			if verdicts[kind], err = Posix(t.Context(), client, posix); err != nil {
				t.Fatal(err)
			}
		})
	}
	passed := 0
	for name, verdict := range verdicts[Ganesha] {
		if verdict != "pass" {
			continue
		}
		passed++
		if ours := verdicts[Nfsd][name]; ours != "pass" && !slices.Contains(symlinks, name) {
			t.Errorf("%s: %s on our server, and passes on NFS-Ganesha", name, ours)
		}
	}
	t.Logf("posixtest: %v", verdicts)
	if passed < 15 {
		t.Errorf("only %d tests passed on NFS-Ganesha", passed)
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
