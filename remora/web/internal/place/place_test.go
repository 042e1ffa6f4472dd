package place

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := remora.Cursor{
			Text: rapid.StringN(0, 60, MaxText).Draw(t, "text"),
			Num:  rapid.Int64().Draw(t, "num"),
			ID:   rapid.Int64Range(1, 1<<62).Draw(t, "id"),
		}
		sort := rapid.Byte().Draw(t, "sort")
		got, err := Decode(sort, Encode(sort, c))
		if err != nil || got != c {
			t.Fatalf("%+v came back as %+v (%v)", c, got, err)
		}
		if _, err := Decode(sort+1, Encode(sort, c)); err == nil {
			t.Fatal("a place of another order was taken")
		}
	})
	long := Encode(1, remora.Cursor{Text: strings.Repeat("é", MaxText), ID: 1})
	if c, err := Decode(1, long); err != nil || len(c.Text) != MaxText {
		t.Errorf("a long name: %v, %d bytes", err, len(c.Text))
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(byte(2), Encode(2, remora.Cursor{Text: "paint", ID: 100001}))
	f.Add(byte(1), Encode(1, remora.Cursor{Num: -5, ID: 100001}))
	f.Add(byte(0), "")
	f.Add(byte(0), "AAAA")
	f.Add(byte(0), "===")
	f.Fuzz(func(t *testing.T, sort byte, s string) {
		c, err := Decode(sort, s)
		if err != nil {
			if remora.KindOf(err) != remora.KindInvalid || c != (remora.Cursor{}) {
				t.Fatalf("%v with %+v", err, c)
			}
			return
		}
		if (c == remora.Cursor{}) != (s == "") {
			t.Fatalf("%q is %+v", s, c)
		}
		if s == "" {
			return
		}
		again, err := Decode(sort, Encode(sort, c))
		if err != nil || again != c {
			t.Fatalf("%+v came back as %+v (%v)", c, again, err)
		}
	})
}
