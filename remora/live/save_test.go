package live

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

// viewOf returns a View of some layers.
func viewOf(t testing.TB, n int) *View {
	t.Helper()
	feed := catalogtest.NewFeed(catalogtest.Activities(n))
	l, err := New(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.limits = small
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	odd := catalogtest.Activity(n)
	odd.Name = remora.NewText(map[string]string{"en": "<b>&\u2028 \"quoted\" \\ \x00", "am": "ስዕል", "ar": "رسم", "zh-Hans": "图画 🎨"})
	odd.Authors = []remora.Author{{ID: 7, Name: "Ñandú"}, {ID: 100_001, Name: "李"}}
	odd.Screenshots = []remora.Image{{ID: 3, SHA256: remora.Digest{9}, Media: "image/png", Size: 4096, Width: 640, Height: 480}, {ID: 1, Media: "image/jpeg"}}
	odd.Network = remora.NetworkNeeded
	odd.Versions[0].Number = remora.MustNumber("33~dfsg")
	odd.Versions[0].Range = remora.Range{Min: remora.MustNumber("0.100")}
	odd.Versions[0].Archs = []string{"x86_64", "armv7l"}
	odd.Versions[1].Number, odd.Versions[1].SHA256 = remora.Number{}, remora.Digest{}
	feed.Put(odd)
	feed.SetCollections(remora.Collection{ID: 4, Nickname: "escuela", Name: remora.PlainText("es", "Ñandutí"),
		Items: []remora.CollectionItem{{ActivityID: 1, BundleID: "a.b", Pin: remora.MustNumber("1.0"), Optional: true}}})
	feed.Remove(catalogtest.FirstActivity + 1)
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l.View()
}

func saved(t testing.TB, v *View) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := writeView(&file, v, time.Unix(1_700_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestSaveRoundTrip(t *testing.T) {
	v := viewOf(t, 30)
	path := filepath.Join(t.TempDir(), "view")
	for range 2 { // over an older file too
		if err := saveFile(path, v, time.Unix(1_700_000_000, 0)); err != nil {
			t.Fatal(err)
		}
	}
	base, head, err := loadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := wholeView(head.Header, base)
	if diff := gocmp.Diff(v.header, got.header, byValue); diff != "" {
		t.Errorf("header (-saved +loaded):\n%s", diff)
	}
	if head.Contact.Time().Unix() != 1_700_000_000 {
		t.Errorf("contact %v", head.Contact.Time())
	}
	if got.Len() != v.Len() || got.Len() != 30 {
		t.Errorf("%d activities, %d were saved", got.Len(), v.Len())
	}
	for a := range v.All {
		if diff := gocmp.Diff(a, got.Activity(a.ID), byValue); diff != "" {
			t.Errorf("activity %d (-saved +loaded):\n%s", a.ID, diff)
		}
	}
	if diff := gocmp.Diff(v.counts, got.counts); diff != "" {
		t.Error(diff)
	}
	if found := got.Search("ናዝሬት ስዕል", "am", 1); len(found) != 0 {
		t.Error("found a word that is nowhere")
	}
	if found := got.Search("ስዕል", "am", 5); len(found) != 1 {
		t.Errorf("found %v", idsOf(found))
	}
	if by, found := got.Author(7); !found || by.Name != "Ñandú" {
		t.Errorf("author 7 is %v (%v)", by, found)
	}
	if found := got.Find(Query{Filter: Filter{FacetNetwork: "needed"}, Limit: 9}); found.Total != 1 || len(found.Activities[0].Screenshots) != 2 {
		t.Errorf("%d activities need a network", found.Total)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v), want the one file", left, err)
	}
}

func TestSaveFails(t *testing.T) {
	v := viewOf(t, 3)
	path := filepath.Join(t.TempDir(), "view")
	if err := os.Mkdir(path, 0o700); err != nil { // a folder cannot be renamed over
		t.Fatal(err)
	}
	if err := saveFile(path, v, time.Time{}); err == nil {
		t.Fatal("no error")
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("the failed save has left %v (%v)", left, err)
	}
	if err := saveFile(filepath.Join(path, "no", "folder"), v, time.Time{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// squeeze makes a file of JSON lines.
func squeeze(t testing.TB, parts ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	z, err := zstd.NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if _, err := io.WriteString(z, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

const goodHead = `{"Format":1,"Header":{"Epoch":"e","Seq":4},"Count":1}` + "\n"

func TestDamagedFiles(t *testing.T) {
	good := saved(t, viewOf(t, 30))
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 0x10
	lostSum := bytes.Clone(good)
	lostSum[len(lostSum)-1]++
	big := strings.Repeat(" ", 1<<20)
	bomb := []string{goodHead, `{"ID":1,"Slug":"`}
	for range maxSavedValue>>20 + 2 {
		bomb = append(bomb, big)
	}
	for name, file := range map[string][]byte{
		"empty":              nil,
		"foreign":            []byte("PK\x03\x04 this is something else altogether"),
		"text":               []byte(goodHead + "{}"),
		"cut":                good[:len(good)*2/3],
		"cut by a byte":      good[:len(good)-1],
		"flipped":            flipped,
		"wrong sum":          lostSum,
		"twice":              append(bytes.Clone(good), good...),
		"other format":       squeeze(t, strings.Replace(goodHead, "1", "2", 1), "{}"),
		"no head":            squeeze(t, "[]"),
		"no position":        squeeze(t, `{"Format":1,"Count":0}`),
		"fewer":              squeeze(t, goodHead),
		"more":               squeeze(t, goodHead, `{"ID":1}`, `{"ID":2}`),
		"negative count":     squeeze(t, strings.Replace(goodHead, `"Count":1`, `"Count":-1`, 1), `{"ID":1}`),
		"huge count":         squeeze(t, strings.Replace(goodHead, `"Count":1`, `"Count":2000000000`, 1), `{"ID":1}`),
		"not an activity":    squeeze(t, goodHead, `7`),
		"a bad number":       squeeze(t, goodHead, `{"ID":1,"Versions":[{"Number":"01"}]}`),
		"an entry as a bomb": squeeze(t, bomb...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "view")
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				feed := catalogtest.NewFeed(catalogtest.Activities(4))
				feed.Fail(errAway)
				l, _ := start(t, feed, &Options{Path: path, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				pass(0)
				if ready(l) || l.View().Len() != 0 {
					t.Error("the file was taken for a catalog")
				}
				if n := strings.Count(log.String(), "saved view cannot be used"); n != 1 {
					t.Errorf("it was said %d times:\n%s", n, log.String())
				}
				feed.Fail(nil)
				pass(5 * time.Second)
				if !ready(l) || l.View().Len() != 4 {
					t.Error("the catalog is not there although the feed answers")
				}
			})
			if _, _, err := loadFile(path); err != nil {
				t.Errorf("the file was not replaced by a good one: %v", err)
			}
		})
	}
}

func TestStartWithoutTheDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "view")
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(12))
		l, stop := start(t, feed, &Options{Path: path})
		pass(time.Second)
		feed.Put(catalogtest.Activity(12))
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop() // saves what it has
		if l.View().Len() != 13 {
			t.Fatal("the change is not in the View")
		}

		feed.Fail(errAway)
		pass(time.Hour)
		l, stop = start(t, feed, &Options{Path: path})
		pass(0)
		if !ready(l) || l.View().Len() != 13 || l.View().Position().Seq != 2 {
			t.Fatalf("ready %v with %d activities at %+v", ready(l), l.View().Len(), l.View().Position())
		}
		s := l.Status()
		if !s.Stale || s.Fault == nil || !s.Ready {
			t.Errorf("status %+v", s)
		}
		if got, want := l.Mark(), "seq=2, age=3600, stale"; got != want {
			t.Errorf("Mark = %q, want %q", got, want)
		}
		feed.Put(catalogtest.Activity(13))
		feed.Fail(nil)
		pass(3 * time.Second)
		if s := l.Status(); s.Stale || s.Fault != nil || s.Activities != 14 {
			t.Errorf("after the feed came back: %+v", s)
		}
		if calls := feed.Calls(); calls.Load != 1 {
			t.Errorf("the catalog was loaded %d times; the change alone was asked for otherwise", calls.Load)
		}
		stop()
	})
}

// TestRestoreIsNotABackwardStep: what Refresh has brought before Run began is newer than the file.
func TestRestoreIsNotABackwardStep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "view")
	if err := saveFile(path, viewOf(t, 3), time.Time{}); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(9))
		l, err := New(feed, &Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := l.View()
		l.restore()
		if l.View() != before {
			t.Error("the file has replaced a newer View")
		}
	})
}

func FuzzReadView(f *testing.F) {
	good := saved(f, viewOf(f, 3))
	f.Add(good, false)
	f.Add(good[:len(good)/2], false)
	f.Add([]byte(goodHead+`{"ID":1,"Name":[{"Locale":"en","Value":"x"}],"Versions":[{"ID":3,"Number":"1.0","SHA256":"00"}]}`), true)
	f.Add([]byte(goodHead+`{"ID":-1,"Categories":["","a","a"],"Versions":[null]}`), true)
	f.Fuzz(func(t *testing.T, file []byte, packed bool) {
		if packed { // the text of a file, so that the fuzzer need not know zstd
			file = squeeze(t, string(file))
		}
		base, head, err := readView(bytes.NewReader(file))
		if err != nil {
			return
		}
		v := wholeView(head.Header, base)
		n := 0
		for a := range v.All {
			n++
			if v.Activity(a.ID) == nil {
				t.Errorf("activity %d cannot be found", a.ID)
			}
		}
		if n != v.Len() || n > head.Count {
			t.Errorf("%d activities of %d, %d announced", n, v.Len(), head.Count)
		}
		again, _, err := readView(bytes.NewReader(saved(t, v)))
		if err != nil {
			t.Fatalf("what was read cannot be written and read: %v", err)
		}
		if diff := gocmp.Diff(base.snap.All(), again.snap.All(), byValue); diff != "" {
			t.Errorf("written and read (-first +second):\n%s", diff)
		}
	})
}

// TestRandomDamage flips and cuts a good file at many places: each is refused, none is a panic.
func TestRandomDamage(t *testing.T) {
	good := saved(t, viewOf(t, 10))
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		file := bytes.Clone(good)
		at := r.IntN(len(file))
		if r.IntN(2) == 0 {
			file = file[:at]
		} else {
			file[at] ^= byte(1 + r.IntN(255))
		}
		base, _, err := readView(bytes.NewReader(file))
		if err != nil {
			continue
		}
		// Some bits mean nothing, such as those of an unused field of the frame header; then the
		// content must be whole.
		if base.snap.Len() != 10 {
			t.Errorf("damage at %d of %d was not seen: %d activities", at, len(good), base.snap.Len())
		}
	}
}
