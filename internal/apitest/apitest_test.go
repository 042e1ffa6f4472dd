package apitest

import (
	"errors"
	"flag"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files in api/ anew")

// top is the folder of the module.
const top = "../.."

// libraries are the folders whose packages others import.
var libraries = []string{"remora", "nfsstore", "balance", "replica"}

const hint = "if that is intended, run `make api`, look at the difference, and put it into the same change"

func TestAPI(t *testing.T) {
	packages, err := publicPackages(top, libraries)
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) == 0 {
		t.Fatal("no package was found")
	}
	folder := filepath.Join(top, "api")
	if *update {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	known := make(map[string]bool)
	for _, pkg := range packages {
		lines, err := Exported(filepath.Join(top, pkg))
		if err != nil {
			t.Fatal(err)
		}
		file := strings.ReplaceAll(filepath.ToSlash(pkg), "/", "-") + ".txt"
		known[file] = true
		path := filepath.Join(folder, file)
		if *update {
			if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		old, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the exported API of %s is not written down in api/%s; %s", pkg, file, hint)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := difference(strings.Split(strings.TrimSuffix(string(old), "\n"), "\n"), lines); diff != "" {
			t.Errorf("the exported API of %s is not what api/%s says; %s:\n%s", pkg, file, hint, diff)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if known[e.Name()] || filepath.Ext(e.Name()) != ".txt" {
			continue
		}
		if !*update {
			t.Errorf("api/%s is about a package that is gone; %s", e.Name(), hint)
		} else if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// publicPackages returns the folders below roots that hold a package others may import.
func publicPackages(top string, roots []string) (folders []string, err error) {
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(top, root), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a library that is still to come
			}
			if err != nil || !d.IsDir() {
				return err
			}
			switch base := d.Name(); {
			case base == "internal", base == "testdata", base[0] == '.', base[0] == '_':
				return fs.SkipDir
			}
			pkg, err := build.Default.ImportDir(path, 0)
			if _, none := err.(*build.NoGoError); none {
				return nil
			}
			if err != nil || pkg.IsCommand() || len(pkg.GoFiles) == 0 {
				return err
			}
			rel, err := filepath.Rel(top, path)
			folders = append(folders, rel)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return folders, nil
}

// difference lists what went and what came, line by line; "": nothing. Both are sorted.
func difference(old, now []string) string {
	var b strings.Builder
	for _, l := range old {
		if _, still := slices.BinarySearch(now, l); !still {
			fmt.Fprintln(&b, "\t-", l)
		}
	}
	for _, l := range now {
		if !slices.Contains(old, l) {
			fmt.Fprintln(&b, "\t+", l)
		}
	}
	if b.Len() == 0 && !slices.Equal(old, now) {
		return "\tthe order of lines is another"
	}
	return b.String()
}

func TestExported(t *testing.T) {
	dir := t.TempDir()
	write := func(name, src string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.go", `package a

import "io"

const (
	A Kind = iota + 1 // comment
	_
	B
	c
)
const Name = "x"
var ErrX, errY = 1, 2
var Table map[string]int
type Kind int
type hidden struct{ F int }
func (hidden) M() {}
func (h *Open) Close(a,
	b int) error { return nil }
func (h *Open) close() {}
type Open struct {
	X, y int `+"`json:\"x\"`"+`
	io.Reader
	hidden
}
type Face interface {
	io.Closer
	Do(x int) (err error)
	sealed()
}
type Pair[K comparable, V any] struct{ Key K }
func (p Pair[K, V]) Swap() {}
type Alias = Open
type F func(int) string
func New[T any](x ...T) *Open { return nil }
func internal() {}
`)
	write("a_windows.go", "package a\n\nfunc OnWindows() {}\n")
	write("a_linux.go", "package a\n\nfunc OnLinux() {}\n")
	write("a_test.go", "package a\n\nfunc InTest() {}\n")
	got, err := Exported(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"const A Kind = iota + 1 with iota 0",
		"const B Kind = iota + 1 with iota 2",
		`const Name = "x"`,
		"field Open embeds io.Reader",
		"field Open.X int `json:\"x\"`",
		"field Pair.Key K",
		"func New[T any](x ...T) *Open",
		"func OnLinux()",
		"method (*Open) Close(a, b int) error",
		"method (Pair[K, V]) Swap()",
		"method Face embeds io.Closer",
		"method Face.Do(x int) (err error)",
		"method Face.sealed()",
		"type Alias = Open",
		"type F func(int) string",
		"type Face interface",
		"type Kind int",
		"type Open struct",
		"type Pair[K comparable, V any] struct",
		"var ErrX",
		"var Table map[string]int",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDifference(t *testing.T) {
	old := []string{"func A()", "func B()", "func C()"}
	for _, c := range []struct {
		now  []string
		want string
	}{
		{old, ""},
		{[]string{"func A()", "func B(int)", "func C()", "func D()"}, "\t- func B()\n\t+ func B(int)\n\t+ func D()\n"},
		{nil, "\t- func A()\n\t- func B()\n\t- func C()\n"},
		{[]string{"func A()", "func A()", "func B()", "func C()"}, "\tthe order of lines is another"},
	} {
		if diff := cmp.Diff(c.want, difference(old, c.now)); diff != "" {
			t.Errorf("%q: -want +got:\n%s", c.now, diff)
		}
	}
}
