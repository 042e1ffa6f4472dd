//go:build linux

package nfsjudge

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/internal/testpeers"
)

func content(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.NewPCG(seed, 0)
	for i := range b {
		b[i] = byte(r.Uint64())
	}
	return b
}

// program runs a client and returns what it prints.
func program(t *testing.T, in, name string, args ...string) (out string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(b), err
}

// TestLibnfs: the programs of libnfs copy files there and back, and list them.
func TestLibnfs(t *testing.T) {
	ls, cp := require.Tool(t, "nfs-ls"), require.Tool(t, "nfs-cp")
	onEach(t, func(t *testing.T, s server) {
		host, nfsPort, err := net.SplitHostPort(s.nfs)
		if err != nil {
			t.Fatal(err)
		}
		_, mountPort, err := net.SplitHostPort(s.mount)
		if err != nil {
			t.Fatal(err)
		}
		at := func(name string) string {
			return fmt.Sprintf("nfs://%s%s/%s?nfsport=%s&mountport=%s&version=3", host, s.export, name, nfsPort, mountPort)
		}
		run := func(name string, args ...string) string {
			t.Helper()
			out, err := program(t, "", name, args...)
			if err != nil {
				t.Fatalf("%s %q: %v", filepath.Base(name), args, err)
			}
			return out
		}
		if err := os.MkdirAll(filepath.Join(s.dir, "many"), 0o777); err != nil {
			t.Fatal(err)
		}
		here := t.TempDir()
		for _, f := range []struct {
			name string
			size int
		}{{"empty", 0}, {"one", 1}, {"page", 4096}, {"odd", 1<<20 + 3}, {"large", 9 << 20}} {
			want := content(uint64(f.size), f.size)
			there := at(f.name)
			file := filepath.Join(here, f.name)
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			run(cp, file, there)
			if got, err := os.ReadFile(filepath.Join(s.dir, f.name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: the server has %d other bytes: %v", f.name, len(got), err)
			}
			back := file + ".back"
			run(cp, there, back)
			if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d other bytes came back: %v", f.name, len(got), err)
			}
		}
		if out, err := program(t, "", cp, at("none"), filepath.Join(here, "none")); err == nil {
			t.Errorf("a file that is not there was copied: %s", out)
		}
		// More than one reply of READDIRPLUS.
		var names []string
		for i := range 700 {
			name := fmt.Sprintf("a file with a name of some length, number %d", i)
			names = append(names, name)
			if err := os.WriteFile(filepath.Join(s.dir, "many", name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what, out string, want []string) {
			t.Helper()
			var got []string
			for line := range strings.Lines(out) {
				// The name comes after the permissions, links, owner, group and size.
				if words := strings.Fields(line); len(words) > 5 {
					got = append(got, strings.Join(words[5:], " "))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		check("the export", run(ls, at("")), []string{"many", "empty", "one", "page", "odd", "large"})
		check("many", run(ls, at("many")), names)
	})
}

// TestForeignGo: a client on github.com/willscott/go-nfs-client finds what it should.
func TestForeignGo(t *testing.T) {
	client := testpeers.Build(t, "gonfsclient")
	onEach(t, func(t *testing.T, s server) {
		steps := []struct{ step, answer string }{
			{"mkdir d", ``},
			{"mkdir d", `"error":"NFS3ERR_EXIST"`},
			{"mkdir d/e", ``},
			{"mkdir none/e", `"error":"NFS3ERR_NOENT"`},
			{"write d/f 3000000 7", ``},
			{"write d/e/empty 0 1", ``},
			{"read d/f 3000000 7", ``},
			{"read d/e/empty 0 1", ``},
			{"stat d/f", `"size":3000000`},
			{"stat d/none", `"error":"NFS3ERR_NOENT"`},
			{"stat d/f/below", `"error":"NFS3ERR_NOTDIR"`},
			{"rename d/f d/e/g", ``},
			{"rename d/f d/h", `"error":"NFS3ERR_NOENT"`},
			{"stat d/f", `"error":"NFS3ERR_NOENT"`},
			{"write d/over 10 3", ``},
			{"rename d/over d/e/g", ``},
			{"read d/e/g 10 3", ``},
			{"readdir d", `"names":["e"]`},
			{"readdir d/e", `"names":["empty","g"]`},
			{"rmdir d/e", `"error":"NFS3ERR_NOTEMPTY"`},
			{"remove d/e/none", `"error":"NFS3ERR_NOENT"`},
			{"remove d/e/g", ``},
			{"remove d/e/empty", ``},
			{"readdir d/e", ``},
			{"rmdir d/e", ``},
			{"rmdir d/e", `"error":"NFS3ERR_NOENT"`},
			{"rmdir d", ``},
		}
		var in, want strings.Builder
		for _, st := range steps {
			in.WriteString(st.step + "\n")
			fmt.Fprintf(&want, "{%q:%q", "step", st.step)
			if st.answer != "" {
				want.WriteString("," + st.answer)
			}
			want.WriteString("}\n")
		}
		base := []string{"-nfs", s.nfs, "-mount", s.mount, "-export", s.export}
		got, err := program(t, in.String(), client, append(base, "job")...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// Several at a time on one connection.
		if out, err := program(t, "", client, append(base, "bench", "-n", "300", "-workers", "16")...); err != nil || !strings.Contains(out, `"n":300`) {
			t.Errorf("the bench: %s %v", out, err)
		}
		left, err := os.ReadDir(s.dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the export: %v %v", left, err)
		}
	})
}
