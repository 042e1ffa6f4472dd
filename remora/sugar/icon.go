package sugar

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sugarlabs/beamrider/remora"
)

// Bounds of icons, in bytes.
const (
	maxIcon  = 512 << 10 // one icon
	iconsMax = 8 << 20   // all that are kept in memory
)

// defaultColors are the colours of an icon where nobody has chosen any.
const defaultColors = "000000-ffffff"

// iconPolicy keeps an icon that is opened by itself from doing anything at all.
const iconPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

type iconKey struct {
	sum    remora.Digest
	colors string // canonical "rrggbb-rrggbb"
}

func newIconCache() (*otter.Cache[iconKey, []byte], error) {
	return otter.New(&otter.Options[iconKey, []byte]{
		MaximumWeight: iconsMax,
		Weigher:       func(k iconKey, icon []byte) uint32 { return uint32(len(icon)) + 128 },
	})
}

// parseColors reads "rrggbb-rrggbb" and returns its canonical form, "" if it is none. Only lower
// case is accepted, so that an icon has one address for each pair of colours.
func parseColors(s string) string {
	const n = len("rrggbb")
	if len(s) != 2*n+1 || s[n] != '-' {
		return ""
	}
	for i := 0; i < len(s); i++ {
		if i != n && (hexDigit(s[i]) < 0 || s[i] >= 'A' && s[i] <= 'F') {
			return ""
		}
	}
	return s
}

// iconPath returns the address of an icon in the default colours.
func iconPath(sum remora.Digest) string {
	return "/icon/" + sum.String() + "/" + defaultColors + ".svg"
}

// serveIcon answers /icon/{sha256}/{stroke}-{fill}.svg.
func (h *Handler) serveIcon(sum remora.Digest, colors string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key := iconKey{sum, colors}
		icon, found := h.icons.GetIfPresent(key)
		if !found {
			var err error
			icon, err = h.readIcon(r, key)
			if errors.Is(err, fs.ErrNotExist) {
				notFound(w, "There is no such icon here.")
				return
			}
			if err != nil {
				h.log.ErrorContext(r.Context(), "an icon cannot be served", "icon", remora.IconName(sum), "error", err)
				unavailable(w, "The icon cannot be read just now. Try again in a minute.")
				return
			}
			h.icons.Set(key, icon)
		}
		header := w.Header()
		header.Set("Content-Type", "image/svg+xml")
		header.Set("Content-Security-Policy", iconPolicy)
		header.Set("Cache-Control", cacheForever)
		writeBody(w, r, icon, etagOf(icon), time.Time{})
	}
}

func (h *Handler) readIcon(r *http.Request, key iconKey) (icon []byte, err error) {
	f, err := h.openSum(r.Context(), remora.IconName(key.sum), -1, key.sum)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	icon, err = io.ReadAll(io.LimitReader(f, maxIcon+1))
	if err != nil {
		return nil, err
	}
	if len(icon) > maxIcon {
		return nil, remora.Errorf(remora.KindTooLarge, "icon.size", "The icon is larger than %d bytes.", maxIcon)
	}
	if h.recolor == nil {
		return icon, nil
	}
	stroke, fill, _ := strings.Cut(key.colors, "-")
	return h.recolor(icon, "#"+stroke, "#"+fill)
}
