package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
)

//go:embed templates/*.html static/* locales/*.po
var embedded embed.FS

// An asset is a static file. Its address holds a sum of its bytes, so that it may be kept for ever
// and a new release of ours is seen at once.
type asset struct {
	path  string // /static/<sum>/<name>
	media string
	body  []byte
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
}

// loadAssets reads static/.
func loadAssets(files fs.FS) (byName map[string]*asset, byPath map[string]*asset, err error) {
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return nil, nil, err
	}
	byName, byPath = map[string]*asset{}, map[string]*asset{}
	for _, e := range entries {
		name := e.Name()
		media := mediaTypes[path.Ext(name)]
		if media == "" {
			return nil, nil, fmt.Errorf("static/%s is of no known media type", name)
		}
		body, err := fs.ReadFile(files, "static/"+name)
		if err != nil {
			return nil, nil, err
		}
		sum := sha256.Sum256(body)
		a := &asset{path: "/static/" + hex.EncodeToString(sum[:8]) + "/" + name, media: media, body: body}
		byName[name], byPath[a.path] = a, a
	}
	return byName, byPath, nil
}

func (h *Handler) serveAsset(w http.ResponseWriter, r *http.Request, a *asset) {
	header := w.Header()
	header.Set("Content-Type", a.media)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(a.body); err != nil {
		h.log.DebugContext(r.Context(), "a reader went away", "path", r.URL.Path, "error", err)
	}
}
