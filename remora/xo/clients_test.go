package xo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

const pythonZip = `
import json, sys, zipfile
out = []
for path in sys.argv[1:]:
    z = zipfile.ZipFile(path)
    bad = z.testzip()
    if bad is not None:
        sys.exit('%s: bad entry %r' % (path, bad))
    out.append({i.filename: len(z.read(i.filename)) for i in z.infolist() if not i.is_dir()})
json.dump(out, sys.stdout)
`

// TestAcceptedByClients opens everything that Read accepts with the two programs Sugar uses, and
// compares what they see.
func TestAcceptedByClients(t *testing.T) {
	python, unzip := require.Tool(t, "python3"), require.Tool(t, "unzip")
	cases := acceptedCases()
	names := slices.Sorted(maps.Keys(cases))
	dir := t.TempDir()
	args := []string{"-c", pythonZip}
	for i, name := range names {
		args = append(args, filepath.Join(dir, fmt.Sprint(i)))
		if err := os.WriteFile(args[len(args)-1], cases[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Python: %v %s", err, complaint.String())
	}
	var theirs []map[string]int64
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			b, err := readBytes(cases[name], nil)
			if err != nil {
				t.Fatal(err)
			}
			delete(theirs[i], "mimetype")
			if len(theirs[i]) != len(b.Inventory.Files) {
				t.Errorf("Python sees %v, Read %v", theirs[i], b.Inventory.Files)
			}
			for _, f := range b.Inventory.Files {
				if size, ok := theirs[i][b.Top+"/"+f.Path]; ascii(f.Path) && (!ok || size != f.Size) {
					t.Errorf("%s has %d bytes, for Python %d (%v)", f.Path, f.Size, size, ok)
				}
			}
			// As Sugar calls it; any warning makes it fail there.
			into := t.TempDir()
			if out, err := exec.Command(unzip, "-o", args[i+2], "-x", "mimetype", "-d", into).CombinedOutput(); err != nil {
				t.Fatalf("unzip: %v\n%s", err, out)
			}
			written := map[string]int64{}
			err = filepath.WalkDir(into, func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				info, err := d.Info()
				if err == nil {
					written[p] = info.Size()
				}
				return err
			})
			if err != nil || len(written) != len(b.Inventory.Files) {
				t.Errorf("unzip writes %v, Read sees %v; %v", written, b.Inventory.Files, err)
			}
			for _, f := range b.Inventory.Files {
				if size, ok := written[filepath.Join(into, b.Top, f.Path)]; ascii(f.Path) && (!ok || size != f.Size) {
					t.Errorf("%s has %d bytes, unzip writes %d (%v)", f.Path, f.Size, size, ok)
				}
			}
		})
	}
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 126 })
}

// TestPackedForClients checks that unzip takes what Pack writes, without a word, and keeps programs
// executable.
func TestPackedForClients(t *testing.T) {
	unzip := require.Tool(t, "unzip")
	data, _ := pack(t, unpacked(t, "Maze.activity"))
	path := filepath.Join(t.TempDir(), "x.xo")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(unzip, "-tq", path).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("No errors")) {
		t.Errorf("%v %s", err, out)
	}
	into := t.TempDir()
	if out, err := exec.Command(unzip, "-q", path, "-d", into).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for name, mode := range map[string]fs.FileMode{"bin/run": 0o755, "COPYING": 0o644} {
		info, err := os.Stat(filepath.Join(into, "Maze.activity", name))
		if err != nil || info.Mode().Perm()&0o100 != mode&0o100 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
