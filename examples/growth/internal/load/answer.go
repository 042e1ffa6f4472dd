package load

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// wholePage returns what keeps a body from being a whole HTML page, nil if it is one.
func wholePage(header http.Header, body []byte) error {
	if media, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || media != "text/html" {
		return fmt.Errorf("a page was asked for, and %q came", header.Get("Content-Type"))
	}
	body = bytes.TrimSpace(body)
	if len(body) < 15 || !bytes.EqualFold(body[:15], []byte("<!doctype html>")) {
		return fmt.Errorf("the page begins with %q", brief(body))
	}
	if !bytes.HasSuffix(body, []byte("</html>")) {
		return fmt.Errorf("half a page: it ends after %d bytes with %q", len(body), brief(body[max(0, len(body)-60):]))
	}
	return nil
}

var activityLink = regexp.MustCompile(`href="[^"#?]*/activity/([0-9]{1,18})["?#]`)

// pageLinks reports whether a page leads to activity id (0: any).
func pageLinks(body []byte, id int64) bool {
	want := strconv.FormatInt(id, 10)
	for _, m := range activityLink.FindAllSubmatch(body, -1) {
		if id == 0 || string(m[1]) == want {
			return true
		}
	}
	return false
}

var bundleLink = regexp.MustCompile(`href="[^"]*/b/([0-9a-f]{64})/[^"/]+\.xol?"`)

// pageBundles returns the sums of the bundles that a page leads to, in order.
func pageBundles(body []byte) (sums []string) {
	for _, m := range bundleLink.FindAllSubmatch(body, -1) {
		sums = append(sums, string(m[1]))
	}
	return sums
}

// An offer is what an update document offers.
type offer struct {
	version string
	link    string
	size    int64 // KiB
	hash    string
}

const (
	rdfSpace = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	emSpace  = "http://www.mozilla.org/2004/em-rdf#"
	sugarApp = "{3ca105e0-2280-4897-99a0-c277d1b733d2}"
)

// maxDepth bounds how deep an update document may be nested; a good one has five levels.
const maxDepth = 32

// parseUpdate reads the document that Sugar's updater gets, about the activity bundleID. A whole
// document that offers nothing gives nil.
func parseUpdate(header http.Header, body []byte, bundleID string) (*offer, error) {
	if media, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || media != "text/xml" && media != "application/xml" && media != "application/rdf+xml" {
		return nil, fmt.Errorf("an update document was asked for, and %q came", header.Get("Content-Type"))
	}
	if !bytes.HasPrefix(body, []byte("<?xml")) {
		return nil, fmt.Errorf("the update document begins with %q, which Sugar cannot read", brief(body))
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	var path []string
	var abouts []string
	fields := map[string]string{}
	roots := 0
	var text strings.Builder
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the update document is broken: %w", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(path) == 0 {
				if roots++; roots > 1 || tok.Name.Local != "RDF" || tok.Name.Space != rdfSpace {
					return nil, fmt.Errorf("the update document holds <%s>", tok.Name.Local)
				}
			}
			if len(path) >= maxDepth {
				return nil, errors.New("the update document is nested too deep")
			}
			path = append(path, tok.Name.Local)
			for _, a := range tok.Attr {
				if tok.Name.Local == "Description" && a.Name.Local == "about" {
					abouts = append(abouts, a.Value)
				}
			}
			text.Reset()
		case xml.CharData:
			text.Write(tok)
		case xml.EndElement:
			if tok.Name.Space == emSpace {
				if _, twice := fields[tok.Name.Local]; twice {
					return nil, fmt.Errorf("the update document has <em:%s> twice", tok.Name.Local)
				}
				fields[tok.Name.Local] = text.String()
			}
			path = path[:len(path)-1]
			text.Reset()
		}
	}
	if roots == 0 {
		return nil, errors.New("the update document is empty, which Sugar waits for ever on")
	}
	if len(abouts) == 0 && len(fields) == 0 {
		return nil, nil
	}
	o := &offer{version: fields["version"], link: fields["updateLink"]}
	urn := "urn:mozilla:extension:" + bundleID
	if len(abouts) != 2 || abouts[0] != urn || abouts[1] != urn+":"+o.version {
		return nil, fmt.Errorf("the update document for %s is about %q", bundleID, abouts)
	}
	if fields["id"] != sugarApp || o.version == "" {
		return nil, fmt.Errorf("the update document lacks the application or the version: %q", fields)
	}
	var err error
	if o.size, err = strconv.ParseInt(fields["updateSize"], 10, 64); err != nil || o.size <= 0 {
		return nil, fmt.Errorf("the update document has the size %q", fields["updateSize"])
	}
	var found bool
	if o.hash, found = strings.CutPrefix(fields["updateHash"], "sha256:"); !found {
		return nil, fmt.Errorf("the update document has the hash %q", fields["updateHash"])
	}
	return o, nil
}

// linkFault returns what is wrong with the address of a bundle of activity id.
func linkFault(link string, id int64, name string) error {
	u, err := url.Parse(link)
	if err != nil || !u.IsAbs() || u.Host == "" {
		return fmt.Errorf("the link %q is not absolute", link)
	}
	if u.Path != "/activities/"+strconv.FormatInt(id, 10)+"/"+name {
		return fmt.Errorf("the link %q is not that of %s of activity %d", link, name, id)
	}
	return nil
}

// A batchOffer is one offer of a batch check.
type batchOffer struct {
	Version string `json:"version"`
	URL     string `json:"url"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
}

func parseBatch(body []byte) (map[string]batchOffer, error) {
	var a struct {
		Seq     *int64                `json:"seq"`
		ETag    string                `json:"etag"`
		Updates map[string]batchOffer `json:"updates"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("the answer to a batch check is broken: %w", err)
	}
	if a.Seq == nil || a.ETag == "" || a.Updates == nil {
		return nil, fmt.Errorf("the answer to a batch check lacks a part: %q", brief(body))
	}
	return a.Updates, nil
}

// An acknowledgement is the answer to an import.
type acknowledgement struct {
	ActivityID int64  `json:"activity_id"`
	VersionID  int64  `json:"version_id"`
	Filename   string `json:"filename"`
	SHA256     string `json:"sha256"`
	Existing   bool   `json:"existing"`
	Seq        int64  `json:"seq"`
	Epoch      string `json:"epoch"`
}

func parseAcknowledgement(body []byte, sum string) (a acknowledgement, err error) {
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("the acknowledgement is broken: %w", err)
	}
	switch {
	case a.SHA256 != sum:
		return a, fmt.Errorf("bundle %s was sent, and %q is acknowledged", sum, a.SHA256)
	case a.ActivityID <= 0 || a.VersionID <= 0 || a.Epoch == "" || a.Seq <= 0:
		return a, fmt.Errorf("the acknowledgement lacks an id or a position: %q", brief(body))
	case !strings.HasSuffix(a.Filename, ".xo") || strings.ContainsAny(a.Filename, "/?#%"):
		return a, fmt.Errorf("the acknowledged file name is %q", a.Filename)
	}
	return a, nil
}
