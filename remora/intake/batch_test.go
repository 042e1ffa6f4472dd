package intake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

// later is after everything that a test does.
func later() remora.Time { return remora.TimeOf(time.Now().Add(time.Hour)) }

// A log is an intake.Progress that remembers.
type log struct {
	total int
	steps []string
}

func (l *log) Total(n int)      { l.total = n }
func (l *log) Step(path string) { l.steps = append(l.steps, filepath.Base(path)) }

// pile makes a folder of n good bundles, each of an activity of its own.
func pile(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		path := packed(t, fmt.Sprintf("org.example.Piece%02d", i), "1", "")
		if err := os.Rename(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBatch(t *testing.T) {
	s := newShop(t)
	dir := pile(t, 12)
	s.must(os.WriteFile(filepath.Join(dir, "broken.xo"), []byte("no zip"), 0o644))
	s.must(os.Rename(unpacked(t, "org.example.Folder", "3", ""), filepath.Join(dir, "Folder.activity")))
	var l log
	absent := filepath.Join(dir, "absent.xo")
	report, err := s.importer.Batch(t.Context(), by, []string{dir, absent, filepath.Join(dir, "gone.xo")}, nil, &l)
	s.must(err)
	if report.New != 13 || report.Existing != 0 || len(report.Refused) != 3 {
		t.Errorf("the report is %+v", report)
	}
	var refused []string
	for _, r := range report.Refused {
		refused = append(refused, filepath.Base(r.Path))
		if r.Message == "" || filepath.Base(r.Path) == "broken.xo" && (len(r.Problems) == 0 || r.Code == "") {
			t.Errorf("refused without saying why: %+v", r)
		}
	}
	if d := cmp.Diff([]string{"absent.xo", "broken.xo", "gone.xo"}, refused); d != "" {
		t.Errorf("refused are (-want +got)\n%s", d)
	}
	if l.total != 14 || len(l.steps) != 14 || !slices.Contains(l.steps, "broken.xo") {
		t.Errorf("progress is %+v", l)
	}
	if n := len(s.offered()); n != 13 {
		t.Errorf("%d activities are offered, want 13", n)
	}
	s.tidy("after the batch")

	again, err := s.importer.Batch(t.Context(), by, []string{dir}, nil, nil)
	s.must(err)
	if again.New != 0 || again.Existing != 13 || len(again.Refused) != 1 {
		t.Errorf("again the report is %+v", again)
	}
}

func TestBatchCountsWarnings(t *testing.T) {
	s := newShop(t)
	dir := unpacked(t, "org.example.Dance", "7", "")
	s.must(os.Symlink("/etc/passwd", filepath.Join(dir, "secrets")))
	report, err := s.importer.Batch(t.Context(), by, []string{dir}, nil, nil)
	s.must(err)
	if report.New != 1 || report.Warnings == 0 {
		t.Errorf("the report is %+v", report)
	}
}

// TestBatchStops: what is wrong with the catalog is not noted against bundles.
func TestBatchStops(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		stops bool
	}{
		{"unavailable", errCut, true},
		{"read-only", &remora.Error{Kind: remora.KindReadOnly, Message: "Frozen."}, true},
		{"a fault of ours", errors.New("what is this"), true},
		{"corrupt", &remora.Error{Kind: remora.KindCorrupt, Message: "Damaged."}, true},
		{"conflict", &remora.Error{Kind: remora.KindConflict, Code: "version.exists", Message: "It is there."}, false},
		{"may not be read", &remora.Error{Kind: remora.KindForbidden, Message: "Not allowed."}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			dir := pile(t, 30)
			s.arm(40, false, c.err)
			report, err := s.importer.Batch(t.Context(), by, []string{dir}, nil, nil)
			s.arm(0, false, nil)
			switch {
			case !c.stops && (err != nil || len(report.Refused) != 1 || report.New != 29):
				t.Errorf("the bundle's fault gave %+v, %v", report, err)
			case c.stops && (!errors.Is(err, c.err) || len(report.Refused) != 0 || report.New == 0 || report.New == 30):
				t.Errorf("the catalog's fault gave %+v, %v", report, err)
			}
			if n := len(s.offered()); n < report.New {
				t.Errorf("%d are offered, %d were said to be", n, report.New)
			}
			s.whole("after the fault")
			report, err = s.importer.Batch(t.Context(), by, []string{dir}, nil, nil)
			s.must(err)
			if report.New+report.Existing != 30 || len(s.offered()) != 30 {
				t.Errorf("again the report is %+v", report)
			}
			s.tidy("after all")
		})
	}
}

func TestBatchEnds(t *testing.T) {
	s := newShop(t)
	dir := pile(t, 20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	published := 0
	s.watch = func(call string) {
		if call == "Publish" {
			if published++; published == 3 {
				cancel()
			}
		}
	}
	report, err := s.importer.Batch(ctx, by, []string{dir}, nil, nil)
	if !errors.Is(err, context.Canceled) || report == nil || report.New == 20 || len(report.Refused) != 0 {
		t.Errorf("ended, the batch gives %+v, %v", report, err)
	}
	s.watch = nil
	s.whole("after the end")
	report, err = s.importer.Batch(ctx, by, []string{dir}, nil, nil)
	if !errors.Is(err, context.Canceled) || report == nil || report.New != 0 {
		t.Errorf("begun after the end, the batch gives %+v, %v", report, err)
	}
}

// TestBatchVersionsOfOne: versions of one activity that arrive at once all come in, and the highest
// speaks for it.
func TestBatchVersionsOfOne(t *testing.T) {
	s := newShop(t)
	var paths []string
	for _, n := range []string{"3", "10", "1", "2.1", "9"} {
		paths = append(paths, packed(t, "org.example.Dance", n, "tags = from"+strings.ReplaceAll(n, ".", "-")+"\n"))
	}
	report, err := s.importer.Batch(t.Context(), by, paths, nil, nil)
	s.must(err)
	a := s.offered()["org.example.Dance"]
	if report.New != 5 || len(a.Versions) != 5 {
		t.Errorf("the report is %+v, offered are %d versions", report, len(a.Versions))
	}
	if d := cmp.Diff([]string{"from10"}, a.Tags); d != "" {
		t.Errorf("the highest does not speak (-want +got)\n%s", d)
	}
	s.tidy("after the batch")
}

// TestBatchByIndex is the whole way from a table to what is offered.
func TestBatchByIndex(t *testing.T) {
	s := newShop(t)
	x, err := intake.ReadIndex(strings.NewReader("bundle_id,number,addon_id,file_id,category,hidden\norg.example.Piece00,,4024,,games,\norg.example.Piece00,1,,77,,\norg.example.Piece01,,,,,yes\n"))
	s.must(err)
	s.watch = func(call string) {
		if _, seen := s.offered()["org.example.Piece01"]; seen {
			t.Errorf("after %s the hidden one can be seen", call)
		}
	}
	_, err = s.importer.Batch(t.Context(), by, []string{pile(t, 3)}, x.Facts, nil)
	s.must(err)
	all := s.offered()
	a := all["org.example.Piece00"]
	if len(all) != 2 || a.ID != 4024 || a.Versions[0].FileID != 77 || !slices.Equal(a.Categories, []string{"games"}) {
		t.Errorf("offered is %+v", all)
	}
	if a := s.activity("org.example.Piece01"); a.State != remora.ActivityDisabled || len(a.Versions) != 1 {
		t.Errorf("hidden is %+v", a)
	}
	s.must(s.shelf.Settle(t.Context(), later()))
	s.tidy("at the end")
}

// TestBatchGivesIDsInOrder: bundles are taken side by side, and still the same folder gets the same
// ids everywhere, a refused one in the middle or not.
func TestBatchGivesIDsInOrder(t *testing.T) {
	s := newShop(t)
	dir := pile(t, 40)
	for _, name := range []string{"Piece00-0.xo", "Piece17-0.xo", "Piece39-9.xo"} {
		s.must(os.WriteFile(filepath.Join(dir, name), []byte("no zip"), 0o644))
	}
	report, err := s.importer.Batch(t.Context(), by, []string{dir}, nil, nil)
	s.must(err)
	if report.New != 40 || len(report.Refused) != 3 {
		t.Fatalf("the report is %+v", report)
	}
	var ids []string
	s.must(s.store.Activities(t.Context(), remora.ActivityQuery{}, func(a remora.Activity) error {
		ids = append(ids, a.BundleID)
		return nil
	}))
	if len(ids) != 40 || !slices.IsSorted(ids) {
		t.Errorf("by id the activities are %v, not in the order of their files", ids)
	}
}
