package guest_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/internal/guest"
	"github.com/sugarlabs/beamrider/internal/require"
)

// What was synced survives a power cut, and what was not is gone: without the second part the guests
// would show nothing about durability.
func TestPowerCut(t *testing.T) {
	if err := guest.Missing(); err != nil {
		require.Skip(t, err.Error())
	}
	ctx := t.Context()
	lab, err := guest.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}()
	disk, err := guest.NewDisk(ctx, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	}()
	m := guest.Machine{Disk: disk, Modules: []string{"nfsv3"}}
	g, err := lab.Boot(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.Shell(ctx, `mkdir /mnt/x; mount -t ext4 /dev/ubda /mnt/x
echo safe > /mnt/x/safe; sync; echo lost > /mnt/x/lost; uname -r; cat /mnt/x/lost`)
	if err != nil {
		t.Fatalf("%v\n%s", err, g.Log())
	}
	var host unix.Utsname
	if err := unix.Uname(&host); err != nil {
		t.Fatal(err)
	}
	kernel, rest, _ := strings.Cut(out, "\n")
	if kernel == unix.ByteSliceToString(host.Release[:]) || rest != "lost\n" {
		t.Errorf("a guest with a kernel of its own printed %q", out)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if g, err = lab.Boot(ctx, m); err != nil {
		t.Fatal(err)
	}
	out, err = g.Shell(ctx, `mkdir /mnt/x; mount -t ext4 /dev/ubda /mnt/x; ls /mnt/x`)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(out); strings.Join(got, " ") != "lost+found safe" {
		t.Errorf("after a power cut there are %q", got)
	}
	if _, err := g.Shell(ctx, "exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a program that fails: %v", err)
	}
}
