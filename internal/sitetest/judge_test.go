package sitetest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/require"
)

//go:embed testdata/judge.py
var judgeProgram string

// A document is what judge judges. It is written as JSON.
type document struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // html or xml
	Text string `json:"text"`
}

// A finding is something wrong with a document.
type finding struct {
	Name    string `json:"name"`
	Problem string `json:"problem"`
}

// judge lets parsers of other people read the documents, all in one process.
func judge(t *testing.T, documents []document) (findings []finding) {
	t.Helper()
	in, err := json.Marshal(documents)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), python(t), "-c", judgeProgram)
	command.Stdin = bytes.NewReader(in)
	var errors bytes.Buffer
	command.Stderr = &errors
	out, err := command.Output()
	if err != nil {
		t.Fatalf("the judge fails: %v\n%s", err, errors.String())
	}
	if err := json.Unmarshal(out, &findings); err != nil {
		t.Fatal(err)
	}
	return findings
}

// python returns a Python that has html5lib: Debian's own before any other.
func python(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), name, "-c", "import html5lib").Run() == nil {
			return name
		}
	}
	require.Skip(t, "no python3 has html5lib (Debian: python3-html5lib)")
	return ""
}

func TestJudge(t *testing.T) {
	got := judge(t, []document{
		{"good", "html", "<!DOCTYPE html>\n<html lang=\"en\"><head><title>x</title></head><body><p>Good.</p></body></html>"},
		{"nested", "html", "<!DOCTYPE html><title>x</title><p><a href=/>one<a href=/>two</a></p>"},
		{"feed", "xml", `<?xml version="1.0" encoding="UTF-8"?><rss><title>é</title></rss>`},
		{"control", "xml", "<rss><title>\x01</title></rss>"},
	})
	var names []string
	for _, f := range got {
		if len(names) == 0 || names[len(names)-1] != f.Name {
			names = append(names, f.Name)
		}
		if strings.TrimSpace(f.Problem) == "" {
			t.Errorf("%s: nothing is said", f.Name)
		}
	}
	if diff := cmp.Diff([]string{"nested", "control"}, names); diff != "" {
		t.Error(diff, got)
	}
}
