package load

import (
	"net/http"
	"testing"
)

func FuzzParseUpdate(f *testing.F) {
	for _, s := range []string{
		rdfHead + "</RDF:RDF>", rdfHead, "", "<?xml version=\"1.0\"?>\n\n<a/>",
		rdfHead + `<RDF:Description about="urn:mozilla:extension:a"/><RDF:Description about="urn:mozilla:extension:a:1"><em:version>1</em:version><em:id>` + sugarApp + `</em:id><em:updateSize>1</em:updateSize><em:updateHash>sha256:00</em:updateHash></RDF:Description></RDF:RDF>`,
	} {
		f.Add([]byte(s))
	}
	header := http.Header{"Content-Type": {"text/xml"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := parseUpdate(header, body, "a")
		if o != nil && (err != nil || o.version == "" || o.size <= 0) {
			t.Errorf("an offer %+v with %v", o, err)
		}
	})
}

func FuzzParseAnswers(f *testing.F) {
	f.Add([]byte(`{"seq":1,"etag":"x","updates":{}}`))
	f.Add([]byte(`{"activity_id":1,"version_id":1,"filename":"a.xo","sha256":"s","seq":1,"epoch":"e"}`))
	f.Add([]byte("<!DOCTYPE html><a href=\"/en/activity/1\"></html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, err := parseAcknowledgement(body, "s"); err == nil && (a.ActivityID <= 0 || a.SHA256 != "s" || a.Filename == "") {
			t.Errorf("acknowledged: %+v", a)
		}
		if offers, err := parseBatch(body); err == nil && offers == nil {
			t.Error("a batch without offers")
		}
		if pageLinks(body, 1) && !pageLinks(body, 0) {
			t.Error("it leads to activity 1, but to none")
		}
		for _, sum := range pageBundles(body) {
			if len(sum) != 64 {
				t.Errorf("the sum %q", sum)
			}
		}
		if err := wholePage(http.Header{"Content-Type": {"text/html"}}, body); err == nil && len(body) < 22 {
			t.Errorf("%q is a page", body)
		}
		if len([]rune(brief(body))) > 161 {
			t.Error("brief is not")
		}
	})
}
