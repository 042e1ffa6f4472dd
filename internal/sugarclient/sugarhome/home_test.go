package sugarhome

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newHome(t *testing.T) *Home {
	t.Helper()
	h, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestVersion(t *testing.T) {
	h := newHome(t)
	b := Bundle{ID: "org.example.Foo", Name: "Foo", Version: "2"}
	if got, err := h.Version(b); got != "" || err != nil {
		t.Errorf("version %q of what is not installed, %v", got, err)
	}
	if err := h.Install(b); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Version(b); got != "2" || err != nil {
		t.Errorf("version %q, %v", got, err)
	}
	if _, err := New(h.dir); err != nil {
		t.Errorf("a home that is there already: %v", err)
	}
}

// TestRunElsewhere plays the client of another machine, where the folder has another name.
func TestRunElsewhere(t *testing.T) {
	for _, test := range []struct {
		name   string
		result string // "": the client writes none
		err    error
		want   string // in the returned error; "": none
		report string // in Report.Error
	}{
		{"it reports", `{"updated":["a"]}`, nil, "", ""},
		{"it reports and ends badly", `{"updated":["a"]}`, errors.New("exit status 3"), "", "exit status 3"},
		{"it says what is wrong", `{"updated":["a"],"error":"no network"}`, errors.New("exit status 3"), "", "no network"},
		{"it cannot be started", "", errors.New("no such program"), "no such program", ""},
		{"it reports nothing", "", nil, "without a result", ""},
		{"it reports nonsense", "{", nil, "cannot be read", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHome(t)
			h.At, h.Sugar = "/srv/home", "0.98"
			h.Run = func(_ context.Context, stdin io.Reader, program string, args ...string) (string, error) {
				if all := strings.Join(args, " "); program != "/usr/bin/env" || !strings.Contains(all, "HOME=/srv/home ") || !strings.HasSuffix(all, python+" /srv/home/laptop.py") {
					t.Errorf("ran %s %q", program, args)
				}
				var got map[string]any
				if err := json.NewDecoder(stdin).Decode(&got); err != nil {
					t.Error(err)
				}
				if got["server"] != "http://x" || got["sugar"] != "0.98" || got["result"] != "/srv/home/result.json" {
					t.Errorf("arguments %v", got)
				}
				if test.result != "" {
					if err := os.WriteFile(filepath.Join(h.dir, "result.json"), []byte(test.result), 0o600); err != nil {
						t.Error(err)
					}
				}
				return "printed", test.err
			}
			r, err := h.Update(t.Context(), "http://x")
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if err == nil && (r.Error != test.report || len(r.Updated) != 1 || r.Printed != "printed") {
				t.Errorf("%+v", r)
			}
		})
	}
}
