// Package screenshot makes of a picture that somebody has taken one that a library can show: small
// enough for a slow line, and with nothing in it but what is seen.
package screenshot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"

	"github.com/sugarlabs/beamrider/remora"
)

// Bounds of what is read, and of what is made of it.
const (
	MaxBytes = 10 << 20 // of the file
	MaxSide  = 4096     // of the picture in it, in pixels

	MaxWidth, MaxHeight = 1280, 960

	// maxPNG is where a PNG is too large for a slow line, and a JPEG is made of it if that is smaller.
	maxPNG  = 512 << 10
	quality = 85
)

// A Screenshot is a picture to be kept under [remora.ImageName].
type Screenshot struct {
	remora.Image // its ID is 0
	Data         []byte
}

// Read reads a PNG or JPEG and makes it anew, no larger than MaxWidth by MaxHeight, its sides in the
// same proportion. So comments, places and dates that cameras and programs write into files are not
// in it. An error of r is returned as it is; a file that is no such picture, or over the bounds, is
// KindInvalid or KindTooLarge.
func Read(r io.Reader) (*Screenshot, error) {
	file, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(file) > MaxBytes {
		return nil, remora.Errorf(remora.KindTooLarge, "screenshot.size", "The picture has more than %d MB. Save it smaller.", MaxBytes>>20)
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err == nil && format != "png" && format != "jpeg" {
		err = image.ErrFormat // something else in the program can read others
	}
	if err != nil {
		return nil, unreadable(err)
	}
	if config.Width > MaxSide || config.Height > MaxSide {
		return nil, remora.Errorf(remora.KindTooLarge, "screenshot.size", "The picture has %d by %d pixels; %d by %d is the most. Save it smaller.", config.Width, config.Height, MaxSide, MaxSide)
	}
	if config.Width < 1 || config.Height < 1 {
		return nil, remora.Errorf(remora.KindInvalid, "screenshot.format", "There is nothing in the picture: it has %d by %d pixels.", config.Width, config.Height)
	}
	picture, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, unreadable(err)
	}
	return encode(fit(picture), format)
}

func unreadable(err error) error {
	if errors.Is(err, image.ErrFormat) {
		return remora.Errorf(remora.KindInvalid, "screenshot.format", "The file is neither a PNG nor a JPEG picture. Save it as one of these.")
	}
	return &remora.Error{Kind: remora.KindInvalid, Code: "screenshot.format", Message: "The picture is damaged. Save it again.", Err: err}
}

// fit makes a picture smaller that is too large to be shown.
func fit(p image.Image) image.Image {
	w, h := p.Bounds().Dx(), p.Bounds().Dy()
	width := min(w, MaxWidth, max(w*MaxHeight/h, 1))
	if width == w && h <= MaxHeight {
		return p
	}
	small := image.NewNRGBA(image.Rect(0, 0, width, min(max(h*width/w, 1), MaxHeight)))
	draw.CatmullRom.Scale(small, small.Bounds(), p, p.Bounds(), draw.Src, nil)
	return small
}

func encode(p image.Image, format string) (*Screenshot, error) {
	var asPNG, asJPEG bytes.Buffer
	if format == "png" {
		e := png.Encoder{CompressionLevel: png.BestCompression}
		if err := e.Encode(&asPNG, p); err != nil {
			return nil, err
		}
	}
	if format != "png" || asPNG.Len() > maxPNG {
		if err := jpeg.Encode(&asJPEG, onWhite(p), &jpeg.Options{Quality: quality}); err != nil {
			return nil, err
		}
	}
	s := &Screenshot{Data: asJPEG.Bytes()}
	s.Media = "image/jpeg"
	if asPNG.Len() > 0 && (asJPEG.Len() == 0 || asPNG.Len() <= asJPEG.Len()) {
		s.Data, s.Media = asPNG.Bytes(), "image/png"
	}
	s.SHA256 = sha256.Sum256(s.Data)
	s.Size = int64(len(s.Data))
	s.Width, s.Height = p.Bounds().Dx(), p.Bounds().Dy()
	return s, nil
}

// onWhite returns the picture as it looks on white paper, for a format without transparency.
func onWhite(p image.Image) image.Image {
	if o, ok := p.(interface{ Opaque() bool }); ok && o.Opaque() {
		return p
	}
	paper := image.NewRGBA(p.Bounds())
	draw.Draw(paper, paper.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(paper, paper.Bounds(), p, p.Bounds().Min, draw.Over)
	return paper
}
