package apitest

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumented: whoever reads the reference of a public package finds each name explained, and
// for each constructor an example that is known to work.
func TestDocumented(t *testing.T) {
	packages, err := publicPackages(top, libraries)
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) == 0 {
		t.Fatal("no package was found")
	}
	for _, pkg := range packages {
		gaps, err := documentation(filepath.Join(top, pkg))
		if err != nil {
			t.Fatal(err)
		}
		for _, gap := range gaps {
			t.Errorf("%s: %s", filepath.ToSlash(pkg), gap)
		}
	}
}

// documentation returns what the documentation of the package in dir lacks, sorted.
func documentation(dir string) (gaps []string, err error) {
	files := token.NewFileSet()
	parse := func(pattern string, tests bool) (list []*ast.File, err error) {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") != tests {
				continue
			}
			f, err := parser.ParseFile(files, name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			list = append(list, f)
		}
		return list, nil
	}
	source, err := parse("*.go", false)
	if err != nil {
		return nil, err
	}
	tests, err := parse("*_test.go", true)
	if err != nil {
		return nil, err
	}
	shown := examples(tests)
	explained := false
	for _, f := range source {
		explained = explained || f.Doc != nil
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				gaps = append(gaps, functionGaps(d, shown)...)
			case *ast.GenDecl:
				gaps = append(gaps, declarationGaps(d)...)
			}
		}
	}
	if !explained {
		gaps = append(gaps, "the package has no comment")
	}
	slices.Sort(gaps)
	return slices.Compact(gaps), nil // a name may be declared once for each platform
}

// constructor matches what makes something: New, NewShelf, OpenSQLite, but not Newest.
var constructor = regexp.MustCompile(`^(New|Open)([A-Z0-9].*)?$`)

func functionGaps(d *ast.FuncDecl, shown map[string]bool) (gaps []string) {
	if !d.Name.IsExported() {
		return nil
	}
	name := d.Name.Name
	if d.Recv != nil {
		of := receiver(d.Recv.List[0].Type)
		if !ast.IsExported(of) {
			return nil
		}
		name = of + "." + name
	}
	if !says(d.Doc) {
		gaps = append(gaps, name+" has no comment")
	}
	if d.Recv == nil && constructor.MatchString(name) && !shown[name] {
		gaps = append(gaps, fmt.Sprintf("%s has no Example%s with an // Output: comment", name, name))
	}
	return gaps
}

func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

func declarationGaps(d *ast.GenDecl) (gaps []string) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			if !says(spec.Doc, spec.Comment) && (d.Lparen.IsValid() || !says(d.Doc)) {
				gaps = append(gaps, spec.Name.Name+" has no comment")
			}
			if t, ok := spec.Type.(*ast.InterfaceType); ok && !says(d.Doc, spec.Doc) {
				gaps = append(gaps, methodGaps(spec.Name.Name, t)...)
			}
		case *ast.ValueSpec:
			// One comment over a group speaks of all in it.
			if says(d.Doc, spec.Doc, spec.Comment) {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					gaps = append(gaps, name.Name+" has no comment")
				}
			}
		}
	}
	return gaps
}

// methodGaps is about an interface that nothing is said of as a whole.
func methodGaps(of string, t *ast.InterfaceType) (gaps []string) {
	for _, m := range t.Methods.List {
		for _, name := range m.Names {
			if name.IsExported() && !says(m.Doc, m.Comment) {
				gaps = append(gaps, of+"."+name.Name+" has no comment")
			}
		}
	}
	return gaps
}

// says reports whether any of the comments has words in it, and not only directives.
func says(comments ...*ast.CommentGroup) bool {
	return slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return strings.TrimSpace(c.Text()) != "" })
}

// examples returns the names that have an example whose output is checked.
func examples(tests []*ast.File) map[string]bool {
	shown := make(map[string]bool)
	for _, x := range doc.Examples(tests...) {
		if x.Output == "" && !x.EmptyOutput {
			continue // it is compiled and never run
		}
		name, _, _ := strings.Cut(x.Name, "_")
		shown[name] = true
	}
	return shown
}

func TestDocumentation(t *testing.T) {
	dir := t.TempDir()
	for name, src := range map[string]string{
		"a.go": `package a

const A = 1

// Said of all.
const (
	B = 2
	C = 3
)

const (
	D = 4 // said beside
	E = 5
	f = 6
)

var G, h = 7, 8

type T struct{ Field int }

//go:generate nothing
type Directive int

// U is said.
type U interface{ M() }

type (
	// V is said.
	V int
	W int
	x int
)

func (t *T) Method() {}
func (x) Method()     {}
func (p *P[K]) Pair() {}

// P is said.
type P[K any] struct{}

// New is said.
func New() {}

// NewShown is said.
func NewShown() {}

// NewCompiled is said.
func NewCompiled() {}

// NewSilent is said.
func NewSilent() {}

// Newest is said.
func Newest() {}

// OpenFile is said.
func OpenFile() {}

// Open is said.
func (t *T) Open() {}

func newHidden() {}
`,
		"a_windows.go": "package a\n\nfunc OnWindows() {}\n",
		"a_darwin.go":  "package a\n\nfunc OnWindows() {}\n",
		"a_test.go":    "package a\n\nfunc ExampleOpenFile() {\n\tprintln()\n\t// Output:\n}\n\nfunc InTest() {}\n",
		"b_test.go":    "package a_test\n\nfunc ExampleNewShown_twice() {\n\t// Unordered output: x\n}\n\nfunc ExampleNewCompiled() {\n\tprintln()\n}\n\n// ExampleNewSilent is a comment.\nfunc ExampleT_New() {\n\t// Output: x\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := documentation(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"A has no comment",
		"Directive has no comment",
		"E has no comment",
		"G has no comment",
		"New has no ExampleNew with an // Output: comment",
		"NewCompiled has no ExampleNewCompiled with an // Output: comment",
		"NewSilent has no ExampleNewSilent with an // Output: comment",
		"OnWindows has no comment",
		"P.Pair has no comment",
		"T has no comment",
		"T.Method has no comment",
		"W has no comment",
		"the package has no comment",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken.go"), []byte("no Go"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := documentation(dir); err == nil {
		t.Error("a file that is no Go was passed over")
	}
}

// TestPublicPackages: what is checked is what others can import.
func TestPublicPackages(t *testing.T) {
	dir := t.TempDir()
	for name, src := range map[string]string{
		"lib/a.go": "package lib\n", "lib/sub/a.go": "package sub\n", "lib/internal/deep/a.go": "package deep\n", "lib/testdata/a.go": "package x\n",
		"lib/cmd/main.go": "package main\n", "lib/only/a_test.go": "package only\n", "lib/_old/a.go": "package old\n", "lib/.git/a.go": "package git\n", "other/a.go": "package other\n",
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := publicPackages(dir, []string{"lib", "absent"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lib", filepath.Join("lib", "sub")}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
