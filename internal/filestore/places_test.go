package filestore

import (
	"bytes"
	"crypto/sha256"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// The second place is asked after the main place and before mirrors, for uploads as well.
func TestReadingFromTheSecondPlace(t *testing.T) {
	good, bad := []byte("the right bytes"), []byte("the wrong bytes")
	sum := sha256.Sum256(good)
	for _, tt := range []struct {
		name         string
		file         string
		main, second []byte // nil: absent
		want         bool
	}{
		{"absent in the main place", bundleName, nil, good, true},
		{"damaged in the main place", bundleName, bad, good, true},
		{"damaged in the second", bundleName, good, bad, true},
		{"damaged in both", bundleName, bad, bad, false},
		{"an upload", remora.UploadName(sum), nil, good, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			main, second := t.TempDir(), t.TempDir()
			f := openFiles(t, Config{Main: main, Second: second})
			for dir, data := range map[string][]byte{main: tt.main, second: tt.second} {
				if data != nil {
					write(t, dir, tt.file, data)
				}
			}
			file, err := f.OpenSum(t.Context(), tt.file, int64(len(good)), sum[:])
			got, err := read(t, file, err)
			if tt.want != (err == nil) || err == nil && !bytes.Equal(got, good) {
				t.Errorf("%q, %v", got, err)
			}
			if !tt.want && remora.KindOf(err) != remora.KindCorrupt {
				t.Errorf("%v", err)
			}
		})
	}
}

// away is a place that nobody answers at.
const away = "nfs://127.0.0.1:9/export?mountport=9&timeout=1s"

// A main place that does not answer is asked last for a while.
func TestTheMainPlaceIsAskedLast(t *testing.T) {
	second := t.TempDir()
	write(t, second, public, []byte("right"))
	f := openFiles(t, Config{Main: away, Second: second})
	server := httptest.NewServer(nil)
	defer server.Close()
	if err := f.ReadAlso(slog.New(slog.DiscardHandler), server.URL+MirrorPath); err != nil {
		t.Fatal(err)
	}
	where := func() (list []string) {
		for _, s := range f.sources(public, true) {
			list = append(list, s.name)
		}
		return list
	}
	if diff := cmp.Diff([]string{"the files folder", "the second place", "the mirrors"}, where()); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	for range 2 {
		if got, err := readAll(t.Context(), f, public); err != nil || string(got) != "right" {
			t.Errorf("%q, %v", got, err)
		}
	}
	until := f.reading.avoid.Load()
	// A clock that is set back by years must not make it years.
	if until == nil || !strings.Contains(until.String(), " m=") {
		t.Fatalf("until %v by the clock on the wall", until)
	}
	if until.After(time.Now()) {
		if diff := cmp.Diff([]string{"the second place", "the mirrors", "the files folder"}, where()); diff != "" {
			t.Errorf("while it is away (-want +got):\n%s", diff)
		}
	}
	if err := f.Move(t.Context(), t.TempDir(), f.log); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"the files folder", "the second place", "the mirrors"}, where()); diff != "" {
		t.Errorf("in another place (-want +got):\n%s", diff)
	}
}
