// Package failuretable holds a table of what may break to the tests that show what happens then, and to
// the page that tells people.
package failuretable

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A Row is something that may break, and the tests that show what happens then.
type Row struct {
	What  string
	Tests []string
}

// Tests returns the names of the test and fuzz functions in a file, each also with the parts that it names
// itself as Test/part.
func Tests(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
			continue
		}
		names = append(names, f.Name.Name)
		for _, part := range parts(f) {
			names = append(names, f.Name.Name+"/"+part)
		}
	}
	return names
}

// parts returns the names that a test gives to its parts.
func parts(f *ast.FuncDecl) (parts []string) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		run, ok := call.Fun.(*ast.SelectorExpr)
		name, literal := call.Args[0].(*ast.BasicLit)
		if !ok || !literal || run.Sel.Name != "Run" {
			return true
		}
		if part, err := strconv.Unquote(name.Value); err == nil {
			parts = append(parts, part)
		}
		return true
	})
	return parts
}

// Tested fails t for each row without a test, and for each test that is not among those found. It returns
// which tests are in rows.
func Tested(t *testing.T, rows []Row, found map[string]bool) (named map[string]bool) {
	t.Helper()
	named = make(map[string]bool)
	for _, r := range rows {
		if len(r.Tests) == 0 {
			t.Errorf("%s: there is no test", r.What)
		}
		for _, name := range r.Tests {
			if named[name] = true; !found[name] {
				t.Errorf("%s: there is no test %s", r.What, name)
			}
		}
	}
	return named
}

// heading is that of the section with the table.
const heading = "\n## When something breaks\n"

// Documented fails t when the table on a page has other rows, or does not say what happens. Its columns
// are what breaks, what happens, and the tests.
func Documented(t *testing.T, page string, rows []Row) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), heading)
	if !ok {
		t.Fatalf("%s has no section When something breaks", page)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	type row struct{ What, Tests string }
	var want, got []row
	for _, r := range rows {
		want = append(want, row{r.What, strings.Join(r.Tests, ", ")})
	}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "-") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "`", ""))
		}
		if cells[1] == "what breaks" {
			continue
		}
		if cells[2] == "" {
			t.Errorf("%s: what happens is not said", cells[1])
		}
		got = append(got, row{cells[1], cells[3]})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s has other rows (-want +got):\n%s", page, diff)
	}
}
