package xo

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
)

func TestReportRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		size := rapid.Int64Min(0)
		want := &Report{
			Inventory: Inventory{
				Files:    rapid.SliceOf(rapid.Custom(func(t *rapid.T) File { return File{text.Draw(t, "path"), size.Draw(t, "size")} })).Draw(t, "files"),
				Folders:  rapid.Int().Draw(t, "folders"),
				Bytes:    size.Draw(t, "bytes"),
				Binaries: rapid.SliceOf(rapid.Custom(func(t *rapid.T) Binary { return Binary{text.Draw(t, "path"), text.Draw(t, "arch")} })).Draw(t, "binaries"),
				Archs:    rapid.SliceOf(text).Draw(t, "archs"), Licenses: rapid.SliceOf(text).Draw(t, "licenses"), Locales: rapid.SliceOf(text).Draw(t, "locales"),
			},
			Warnings: rapid.SliceOf(rapid.Custom(func(t *rapid.T) Problem {
				return Problem{text.Draw(t, "code"), text.Draw(t, "where"), text.Draw(t, "message"), rapid.Bool().Draw(t, "warning")}
			})).Draw(t, "warnings"),
		}
		b, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseReport(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Inventory{})); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func compressed(t testing.TB, b []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.EncodeAll(b, nil)
}

func TestParseReportRefuses(t *testing.T) {
	whole := compressed(t, []byte(`{"Inventory":{"Folders":3},"Warnings":null,"Later":1}`))
	if r, err := ParseReport(whole); err != nil || r.Inventory.Folders != 3 {
		t.Errorf("a report of a newer program: %+v, %v", r, err)
	}
	// A bomb: a few KiB that would be 1 GiB. One that says so, and one that does not.
	bomb := compressed(t, make([]byte, 1<<30))
	var stream bytes.Buffer
	w, err := zstd.NewWriter(&stream, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 256 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		kind remora.Kind
	}{
		"nothing":               {nil, remora.KindCorrupt},
		"no zstd":               {[]byte(`{"Inventory":{}}`), remora.KindCorrupt},
		"cut off":               {whole[:len(whole)-5], remora.KindCorrupt},
		"no JSON":               {compressed(t, []byte("hello")), remora.KindCorrupt},
		"other JSON":            {compressed(t, []byte(`{"Inventory":[1]}`)), remora.KindCorrupt},
		"a bomb":                {bomb, remora.KindTooLarge},
		"a bomb without a size": {stream.Bytes(), remora.KindTooLarge},
	} {
		if _, err := ParseReport(c.b); !errors.Is(err, &remora.Error{Kind: c.kind}) || remora.MessageOf(err) == "" {
			t.Errorf("%s: %v, want kind %s", name, err, c.kind)
		}
	}
}

func FuzzParseReport(f *testing.F) {
	text, err := json.Marshal(Report{Warnings: []Problem{{Code: "x"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(compressed(f, text))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseReport(b)
		if (r == nil) == (err == nil) {
			t.Errorf("ParseReport = %v, %v", r, err)
		}
	})
}
