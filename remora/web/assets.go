package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"

	"github.com/sugarlabs/beamrider/remora/web/internal/answer"
)

//go:embed templates/*.html static/* style locales/*.po
var embedded embed.FS

// An asset is a static file. Its address holds a sum of its bytes, so that it may be kept for ever
// and a new release of ours is seen at once.
type asset struct {
	path  string // /static/<sum>/<name>
	media string
	body  *answer.Body
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
}

// loadAssets reads static/, and style/, which becomes one style sheet.
func loadAssets(files fs.FS) (byName map[string]*asset, byPath map[string]*asset, err error) {
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return nil, nil, err
	}
	byName, byPath = map[string]*asset{}, map[string]*asset{}
	add := func(name, media string, body []byte) {
		sum := sha256.Sum256(body)
		a := &asset{path: "/static/" + hex.EncodeToString(sum[:8]) + "/" + name, media: media, body: answer.New(body)}
		byName[name], byPath[a.path] = a, a
	}
	for name, pattern := range sheets {
		style, err := styleSheet(files, pattern)
		if err != nil {
			return nil, nil, err
		}
		add(name, mediaTypes[".css"], style)
	}
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
		add(name, media, body)
	}
	return byName, byPath, nil
}

// sheets are the style sheets: that of every page, and those of pages which want more.
var sheets = map[string]string{"style.css": "style/*.css", "home.css": "style/home/*.css", "numbers.css": "style/numbers/*.css"}

// styleSheet joins files in the order of their names, without comments and without the spaces
// that are for us alone: every page on a slow line pays for what is sent. No string in them has a
// character that this would change; a test says so.
func styleSheet(files fs.FS, pattern string) ([]byte, error) {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no %s", pattern)
	}
	var out []byte
	for _, name := range names {
		part, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		part = comments.ReplaceAll(part, nil)
		part = bytes.ReplaceAll(part, []byte(": "), []byte(":"))
		part = aroundMarks.ReplaceAll(part, []byte("$1"))
		out = append(out, bytes.ReplaceAll(part, []byte(";}"), []byte("}"))...)
	}
	return out, nil
}

var (
	comments    = regexp.MustCompile(`(?s)/\*.*?\*/`)
	aroundMarks = regexp.MustCompile(`\s*([{};,])\s*`)
)

func (h *Handler) serveAsset(w http.ResponseWriter, r *http.Request, a *asset) {
	header := w.Header()
	header.Set("Content-Type", a.media)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.sent(a.body.Serve(w, r), r)
}
