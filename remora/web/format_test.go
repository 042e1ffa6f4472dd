package web

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

func TestSizes(t *testing.T) {
	h := newHandlerWith(t, newFeed(remora.Header{}), map[string]string{"es": spanish, "ar": arabic})
	for _, tt := range []struct {
		lang  string
		bytes int64
		want  string
	}{
		{"en", 0, "0 kB"}, {"en", -1, "0 kB"}, {"en", 1, "1 kB"}, {"en", 1000, "1 kB"}, {"en", 1001, "2 kB"}, {"en", 999_999, "1,000 kB"},
		{"en", 1_000_000, "1 MB"}, {"en", 1_000_001, "1.1 MB"}, {"en", 1_450_000, "1.5 MB"}, {"en", 9_900_001, "10 MB"}, {"en", 35_000_001, "36 MB"},
		{"en", 1_500_000_000, "1.5 GB"}, {"en", 1 << 62, "4,611,686,019 GB"},
		{"es", 1_500_000, "1,5 MB"}, {"ar", 1_500_000, "١٫٥ MB"},
	} {
		if got := h.byTag[tt.lang].size(tt.bytes); got != tt.want {
			t.Errorf("%s: %d bytes are %q, want %q", tt.lang, tt.bytes, got, tt.want)
		}
	}
}

func TestDays(t *testing.T) {
	h := newHandlerWith(t, newFeed(remora.Header{}), map[string]string{"es": spanish, "ar": arabic})
	at := remora.TimeOf(time.Date(2026, 3, 4, 23, 30, 0, 0, time.FixedZone("", -3600)))
	for lang, want := range map[string]date{"en": {"2026-03-05", "2026-03-05"}, "es": {"05/03/2026", "2026-03-05"}, "ar": {"٢٠٢٦-٠٣-٠٥", "2026-03-05"}} {
		if diff := cmp.Diff(want, h.byTag[lang].day(at)); diff != "" {
			t.Errorf("%s: %s", lang, diff)
		}
	}
	for lang, want := range map[string]string{"en": "00:30", "ar": "٠٠:٣٠"} {
		if got := h.byTag[lang].clock(at.Time()); got != want {
			t.Errorf("%s: the time of day is %q, want %q", lang, got, want)
		}
	}
	if got := h.byTag["en"].day(0); got != (date{}) {
		t.Errorf("an unknown day is %v", got)
	}
}

func TestDownloadCounts(t *testing.T) {
	h := newHandlerWith(t, newFeed(remora.Header{}), nil)
	for n, want := range map[int64]string{-1: "", 0: "", 1: "1 download", 2: "2 downloads", 1_000_001: "1,000,001 downloads", 1 << 40: "1,099,511,627,776 downloads"} {
		if got := h.byTag["en"].downloads(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestParagraphs(t *testing.T) {
	got := paragraphs("\n a\r\nb \r\n\r\n \r\nc\r\rd\n\n")
	if diff := cmp.Diff([]string{"a\nb", "c", "d"}, got); diff != "" {
		t.Error(diff)
	}
	if got := paragraphs(" \n "); got != nil {
		t.Errorf("nothing is %q", got)
	}
}
