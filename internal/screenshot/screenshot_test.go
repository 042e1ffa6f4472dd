package screenshot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sugarlabs/beamrider/remora"
)

// flat is a picture as screenshots are: few colours, large areas.
func flat(w, h int, c color.Color) image.Image {
	p := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			p.Set(x, y, c)
		}
	}
	return p
}

// noise is a picture that compresses badly.
func noise(w, h int) image.Image {
	r := rand.New(rand.NewPCG(1, 2))
	p := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range p.Pix {
		p.Pix[i] = byte(r.Uint32()) | byte(i%4/3*255)
	}
	return p
}

func asPNG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var red = color.NRGBA{R: 200, A: 255}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		file          []byte
		media         string
		width, height int
	}{
		"a PNG as it is":             {asPNG(t, flat(640, 480, red)), "image/png", 640, 480},
		"a JPEG as it is":            {asJPEG(t, flat(640, 480, red)), "image/jpeg", 640, 480},
		"just fits":                  {asPNG(t, flat(1280, 960, red)), "image/png", 1280, 960},
		"of a large screen":          {asPNG(t, flat(2560, 1440, red)), "image/png", 1280, 720},
		"too high":                   {asJPEG(t, flat(900, 1920, red)), "image/jpeg", 450, 960},
		"as wide as may be":          {asPNG(t, flat(4096, 1, red)), "image/png", 1280, 1},
		"as high as may be":          {asPNG(t, flat(1, 4096, red)), "image/png", 1, 960},
		"one pixel":                  {asPNG(t, flat(1, 1, red)), "image/png", 1, 1},
		"a photograph":               {asPNG(t, noise(700, 500)), "image/jpeg", 700, 500},
		"with a transparent ground":  {asPNG(t, flat(64, 64, color.NRGBA{G: 255, A: 100})), "image/png", 64, 64},
		"shades of grey and nothing": {asPNG(t, image.NewGray(image.Rect(0, 0, 30, 20))), "image/png", 30, 20},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Read(bytes.NewReader(c.file))
			if err != nil {
				t.Fatal(err)
			}
			if s.Media != c.media || s.Width != c.width || s.Height != c.height {
				t.Errorf("it is %s of %d by %d, want %s of %d by %d", s.Media, s.Width, s.Height, c.media, c.width, c.height)
			}
			check(t, s)
			again, err := Read(bytes.NewReader(c.file))
			if err != nil || again.SHA256 != s.SHA256 {
				t.Errorf("read again it is another: %v", err)
			}
		})
	}
}

// check holds a screenshot against what it says of itself.
func check(t *testing.T, s *Screenshot) image.Image {
	t.Helper()
	p, format, err := image.Decode(bytes.NewReader(s.Data))
	if err != nil {
		t.Fatalf("what was made cannot be read: %v", err)
	}
	if "image/"+format != s.Media || p.Bounds().Dx() != s.Width || p.Bounds().Dy() != s.Height {
		t.Errorf("it says %s of %d by %d, and is %s of %v", s.Media, s.Width, s.Height, format, p.Bounds())
	}
	if s.Width < 1 || s.Width > MaxWidth || s.Height < 1 || s.Height > MaxHeight {
		t.Errorf("it has %d by %d pixels", s.Width, s.Height)
	}
	if s.Size != int64(len(s.Data)) || s.SHA256 != sha256.Sum256(s.Data) || s.ID != 0 {
		t.Errorf("it says %d bytes, sum %s, number %d", s.Size, s.SHA256, s.ID)
	}
	return p
}

// TestColours: what is seen stays, also where a format without transparency is taken.
func TestColours(t *testing.T) {
	half := noise(900, 600).(*image.NRGBA)
	for i := range half.Pix[:len(half.Pix)/2] {
		half.Pix[i] = 0 // transparent black
	}
	for name, c := range map[string]struct {
		file []byte
		want color.NRGBA
	}{
		"kept":                      {asPNG(t, flat(100, 100, red)), red},
		"made smaller":              {asPNG(t, flat(2000, 2000, red)), red},
		"made smaller, see-through": {asPNG(t, flat(2000, 2000, color.NRGBA{B: 90, A: 40})), color.NRGBA{B: 90, A: 40}},
		"transparent in a JPEG":     {asPNG(t, half), color.NRGBA{255, 255, 255, 255}},
	} {
		s, err := Read(bytes.NewReader(c.file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := color.NRGBAModel.Convert(check(t, s).At(10, 10)).(color.NRGBA)
		for _, d := range [][2]uint8{{got.R, c.want.R}, {got.G, c.want.G}, {got.B, c.want.B}, {got.A, c.want.A}} {
			if max(d[0], d[1])-min(d[0], d[1]) > 4 {
				t.Errorf("%s: the colour is %v, want %v", name, got, c.want)
				break
			}
		}
	}
}

// TestNothingElse: what a camera wrote into the file is not in what is kept.
func TestNothingElse(t *testing.T) {
	const secret = "taken at home, 12.0464 S 77.0428 W"
	photo := asJPEG(t, flat(64, 48, red))
	comment := append([]byte{0xff, 0xfe, 0, byte(len(secret) + 2)}, secret...)
	withComment := append(append(append([]byte{}, photo[:2]...), comment...), photo[2:]...)
	behind := append(asPNG(t, flat(64, 48, red)), secret...)
	for name, file := range map[string][]byte{"a comment": withComment, "behind the picture": behind} {
		s, err := Read(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if bytes.Contains(s.Data, []byte(secret)) {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestRefused(t *testing.T) {
	var moving bytes.Buffer
	if err := gif.Encode(&moving, flat(8, 8, red), nil); err != nil {
		t.Fatal(err)
	}
	whole := asPNG(t, noise(60, 60))
	for name, c := range map[string]struct {
		file []byte
		kind remora.Kind
		code string
	}{
		"nothing":        {nil, remora.KindInvalid, "screenshot.format"},
		"text":           {[]byte("hello"), remora.KindInvalid, "screenshot.format"},
		"a program":      {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), remora.KindInvalid, "screenshot.format"},
		"another format": {moving.Bytes(), remora.KindInvalid, "screenshot.format"},
		"cut off":        {whole[:len(whole)/2], remora.KindInvalid, "screenshot.format"},
		"too wide":       {asPNG(t, image.NewGray(image.Rect(0, 0, MaxSide+1, 1))), remora.KindTooLarge, "screenshot.size"},
		"too high":       {asPNG(t, image.NewGray(image.Rect(0, 0, 1, MaxSide+1))), remora.KindTooLarge, "screenshot.size"},
		"too many bytes": {append(whole, make([]byte, MaxBytes)...), remora.KindTooLarge, "screenshot.size"},
	} {
		_, err := Read(bytes.NewReader(c.file))
		if !errors.Is(err, &remora.Error{Kind: c.kind, Code: c.code}) || remora.MessageOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Read(io.MultiReader(strings.NewReader("\x89PNG"), iotest.ErrReader(broken))); err != broken {
		t.Errorf("an error of the reader came out as %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(asPNG(f, flat(3, 2, red)))
	f.Add(asJPEG(f, flat(9, 9, red)))
	f.Add(asPNG(f, image.NewPaletted(image.Rect(0, 0, 5, 5), color.Palette{color.White, color.Transparent})))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := Read(bytes.NewReader(file))
		if err != nil {
			if kind := remora.KindOf(err); kind != remora.KindInvalid && kind != remora.KindTooLarge {
				t.Errorf("the error is %v", err)
			}
			return
		}
		check(t, s)
	})
}
