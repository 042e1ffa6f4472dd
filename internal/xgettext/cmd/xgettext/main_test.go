package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"locales", "templates"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	page := filepath.Join(dir, "templates", "x.html")
	if err := os.WriteFile(page, []byte(`{{t "Hello"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"messages.pot": "msgid \"Hello\"\nmsgstr \"\"", "en.po": "msgid \"Hello\"\nmsgstr \"Hello\""} {
		got, err := os.ReadFile(filepath.Join(dir, "locales", name))
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	if err := os.WriteFile(page, []byte(`{{t .}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err == nil {
		t.Error("a sentence that cannot be found is no error")
	}
	if err := run(filepath.Join(dir, "locales", "none")); err == nil {
		t.Error("a folder that is not there is no error")
	}
}
