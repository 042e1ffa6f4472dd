package deptest

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func source(imports ...string) *fstest.MapFile {
	var b strings.Builder
	b.WriteString("package p\n")
	for _, i := range imports {
		b.WriteString("import _ \"" + i + "\"\n")
	}
	return &fstest.MapFile{Data: []byte(b.String())}
}

func TestCheckFindsViolations(t *testing.T) {
	tree := fstest.MapFS{
		"doc.go":               source("example.org/m/core"),
		"core/a.go":            source("fmt", "net/http/httptest", "example.org/m/other", "example.org/x"),
		"core/a_test.go":       source("example.org/m/other", "example.org/m/cmd/prog"),
		"core/sub/a.go":        source("net/http"),
		"core/b_windows.go":    source("net/http"),
		"other/a.go":           source("example.org/m/core", "example.org/m/core/sub", "example.org/mm/core/sub", "example.org/x"),
		"cmd/prog/main.go":     source("example.org/m/core", "example.org/m/cmd/prog/sub"),
		"testdata/a.go":        source("example.org/m/cmd/prog"),
		"core/.hidden/a.go":    source("example.org/m/cmd/prog"),
		"core/_ignored/a.go":   source("example.org/m/cmd/prog"),
		"tools/go.mod":         &fstest.MapFile{Data: []byte("module tools\n")},
		"tools/a.go":           source("example.org/m/cmd/prog"),
		"core/notes.txt":       &fstest.MapFile{Data: []byte("no Go")},
		"core/testdata/bad.go": &fstest.MapFile{Data: []byte("no Go")},
	}
	rules := []Rule{
		{In: []string{"./core"}, Only: []string{}, Std: true, Never: []string{"net/http/..."}, Reason: "pure"},
		{In: []string{"./other"}, Only: []string{"./core"}, Reason: "only core"},
		{In: []string{"./..."}, But: []string{"./cmd/..."}, Never: []string{"./cmd/..."}, Tests: true, Reason: "no programs"},
		{In: []string{"."}, Only: []string{}, Reason: "documentation only"},
	}
	violations, err := Check(tree, "example.org/m", rules)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range violations {
		got = append(got, v.String())
	}
	want := []string{
		"core/a.go:3 imports net/http/httptest: pure",
		"core/a.go:4 imports ./other: pure",
		"core/a.go:5 imports example.org/x: pure",
		"core/a_test.go:3 imports ./cmd/prog: no programs",
		"core/b_windows.go:2 imports net/http: pure",
		"doc.go:2 imports ./core: documentation only",
		"other/a.go:3 imports ./core/sub: only core",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCheckNoticesStaleRulesAndBrokenFiles(t *testing.T) {
	rule := Rule{In: []string{"./gone"}, Never: []string{"fmt"}, Reason: "r"}
	if _, err := Check(fstest.MapFS{"a/a.go": source()}, "m", []Rule{rule}); err == nil || !strings.Contains(err.Error(), "./gone") {
		t.Errorf("a rule about no package: %v", err)
	}
	if _, err := Check(fstest.MapFS{"a/a.go": {Data: []byte("import")}}, "m", nil); err == nil {
		t.Error("a file that is no Go was passed over")
	}
}
