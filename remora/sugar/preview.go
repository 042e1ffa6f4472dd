package sugar

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// maxPreview bounds a screenshot, in bytes: those that are taken in are a few hundred thousand.
const maxPreview = 4 << 20

// previewMedia are the kinds of pictures that are served.
var previewMedia = [...]string{"image/png", "image/jpeg"}

const noPreview = "There is no such picture here."

// previewPath returns the address of a screenshot, "" for one of a kind that is not served.
func previewPath(img *remora.Image) string {
	if suffix := img.Suffix(); suffix != "" {
		return "/preview/" + img.SHA256.String() + suffix
	}
	return ""
}

// routePreview returns what answers /preview/{sha256}.png and .jpg.
func (h *Handler) routePreview(name string) http.HandlerFunc {
	for _, media := range previewMedia {
		if hex, ok := strings.CutSuffix(name, (&remora.Image{Media: media}).Suffix()); ok {
			if sum, ok := digest(hex); ok {
				return h.servePreview(sum, media)
			}
		}
	}
	return func(w http.ResponseWriter, r *http.Request) {
		notFound(w, "A picture's address is /preview/SUM.png or .jpg, the sum in lower case.")
	}
}

func (h *Handler) servePreview(sum remora.Digest, media string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		picture, err := h.readPreview(r, sum)
		// What is in the file decides, not what an address claims.
		if errors.Is(err, fs.ErrNotExist) || err == nil && http.DetectContentType(picture) != media {
			notFound(w, noPreview)
			return
		}
		if err != nil {
			h.log.ErrorContext(r.Context(), "a screenshot cannot be served", "file", remora.ImageName(sum), "error", err)
			unavailable(w, "The picture cannot be read just now. Try again in a minute.")
			return
		}
		header := w.Header()
		header.Set("Content-Type", media)
		header.Set("Content-Security-Policy", iconPolicy)
		header.Set("Cache-Control", cacheForever)
		writeBody(w, r, picture, `"`+sum.String()+`"`, time.Time{})
	}
}

func (h *Handler) readPreview(r *http.Request, sum remora.Digest) (picture []byte, err error) {
	f, err := h.openSum(r.Context(), remora.ImageName(sum), -1, sum)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	picture, err = io.ReadAll(io.LimitReader(f, maxPreview+1))
	if err == nil && len(picture) > maxPreview {
		err = remora.Errorf(remora.KindTooLarge, "preview.size", "The picture is larger than %d bytes.", maxPreview)
	}
	return picture, err
}

// serveOldPreview leads from the old site's address of a screenshot, small or large, to where it is.
func (h *Handler) serveOldPreview(id int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, img := h.library.View().ByImage(id)
		if img == nil || previewPath(img) == "" {
			notFound(w, noPreview)
			return
		}
		w.Header()["Cache-Control"] = cacheHour
		redirect(w, http.StatusFound, withQuery(previewPath(img), r.URL.RawQuery))
	}
}
