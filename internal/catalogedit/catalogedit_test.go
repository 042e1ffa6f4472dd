package catalogedit

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// A recorder is a store and its files; it notes what is done, in order, and fails at one step.
type recorder struct {
	steps []string
	fail  string
	edit  remora.ActivityEdit
}

func (r *recorder) step(format string, args ...any) error {
	s := fmt.Sprintf(format, args...)
	r.steps = append(r.steps, s)
	if r.fail != "" && strings.HasPrefix(s, r.fail) {
		return errors.New("no " + r.fail)
	}
	return nil
}

func (r *recorder) Stage(_ context.Context, _ remora.Digest, _ int64, media string) error {
	return r.step("stage %s", media)
}

func (r *recorder) Put(_ context.Context, name string, from io.Reader, size int64, _ []byte) error {
	n, err := io.Copy(io.Discard, from)
	if err != nil || n != size || !strings.HasPrefix(name, "previews/sha256/") {
		return fmt.Errorf("%s: %d bytes of %d: %v", name, n, size, err)
	}
	return r.step("put")
}

func (r *recorder) EditActivity(_ context.Context, _ remora.Actor, id int64, e remora.ActivityEdit) error {
	r.edit = e
	return r.step("activity %d", id)
}

func (r *recorder) EditVersion(_ context.Context, _ remora.Actor, id int64, _ remora.VersionEdit) error {
	return r.step("version %d", id)
}

func picture(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "one.png")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, image.NewGray(image.Rect(0, 0, 3, 2))), f.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

func ptr[T any](v T) *T { return &v }

func activity() *remora.Activity {
	return &remora.Activity{ID: 7, Versions: []remora.Version{
		{Release: remora.Release{ID: 1}}, {Release: remora.Release{ID: 2, State: remora.StateDeleted}}, {Release: remora.Release{ID: 3}},
	}}
}

func TestApply(t *testing.T) {
	one := picture(t)
	for _, tt := range []struct {
		name    string
		changes Changes
		only    bool
		steps   []string
	}{
		{"authors", Changes{Author: []string{"Ana, Luis", "Ñusta"}}, false, []string{"activity 7"}},
		{"a picture", Changes{Screenshot: []string{one}, Network: ptr("offline")}, false, []string{"stage image/png", "put", "activity 7"}},
		{"no pictures", Changes{NoScreenshots: true, NoAuthors: true}, false, []string{"activity 7"}},
		{"a range of all that are not gone", Changes{Sugar: ptr("0.100-open")}, false, []string{"version 1", "version 3"}},
		{"a channel of one", Changes{Channel: ptr("experimental"), Listed: ptr(false)}, true, []string{"activity 7", "version 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan, err := tt.changes.Plan(tt.only)
			if err != nil {
				t.Fatal(err)
			}
			a := activity()
			var only *remora.Version
			if tt.only {
				only = &a.Versions[2]
			}
			r := &recorder{}
			if err := plan.Apply(t.Context(), r, r, remora.Actor{}, a, only); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.steps, r.steps); diff != "" {
				t.Error(diff)
			}
			if tt.changes.Author != nil && !slices.Equal(*r.edit.Authors, tt.changes.Author) {
				t.Errorf("authors %q", *r.edit.Authors)
			}
			if tt.changes.Screenshot != nil {
				if got := *r.edit.Screenshots; len(got) != 1 || got[0].Width != 3 || got[0].Media != "image/png" || *r.edit.Network != remora.NetworkNone {
					t.Errorf("%+v", r.edit)
				}
			}
			if tt.changes.NoScreenshots && (len(*r.edit.Screenshots) != 0 || len(*r.edit.Authors) != 0) {
				t.Errorf("%+v", r.edit)
			}
		})
	}
}

// TestCatalogNeverNamesWhatIsNotThere: a picture that could not be stored changes nothing.
func TestCatalogNeverNamesWhatIsNotThere(t *testing.T) {
	for _, fail := range []string{"stage", "put"} {
		plan, err := (&Changes{Screenshot: []string{picture(t)}}).Plan(false)
		if err != nil {
			t.Fatal(err)
		}
		r := &recorder{fail: fail}
		if err := plan.Apply(t.Context(), r, r, remora.Actor{}, activity(), nil); err == nil || slices.Contains(r.steps, "activity 7") {
			t.Errorf("%s fails: %v, %v", fail, err, r.steps)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.png")
	if err := os.WriteFile(text, []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for code, c := range map[string]Changes{
		"set.nothing":      {},
		"set.version":      {Channel: ptr("stable")},
		"set.authors":      {Author: []string{"Ana"}, NoAuthors: true},
		"set.screenshots":  {Screenshot: make([]string, MaxScreenshots+1)},
		"network.unknown":  {Network: ptr("sometimes")},
		"range.syntax":     {Sugar: ptr("-")},
		"screenshot.open":  {Screenshot: []string{filepath.Join(t.TempDir(), "none.png")}},
		"screenshot.read":  {Screenshot: []string{text}},
		"set.screenshots ": {Screenshot: []string{"x"}, NoScreenshots: true},
	} {
		_, err := c.Plan(false)
		if e, ok := errors.AsType[*remora.Error](err); !ok || e.Code != strings.TrimSpace(code) || e.Kind == remora.KindInternal {
			t.Errorf("%s: %v", code, err)
		}
	}
}
