package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxContact bounds Config.Operator and Config.Contact, in letters.
const MaxContact = 200

// findText returns the page of text at a path, nil if there is none.
func (h *Handler) findText(rest []string) page {
	if len(rest) != 1 {
		return nil
	}
	switch rest[0] {
	case "about", "privacy", "contact":
		return func(w http.ResponseWriter, v *visit) { h.serveText(w, v, rest[0]) }
	case "school":
		return h.serveSchool
	case "developers":
		return h.serveDevelopers
	case "feeds":
		return h.serveFeeds
	case "opensearch.xml":
		return h.serveOpenSearch
	case "suggest":
		return h.serveSuggest
	}
	return nil
}

// A textPage is the content of about.html, privacy.html, contact.html and text.html.
type textPage struct {
	Title    string
	Site     string
	Operator string
	Contact  contact
	Count    string
	About    string // addresses of the other pages
	Privacy  string
	Reach    string
	School   string
	Blocks   []block // the administrator's own words
	Dir      string
}

func (h *Handler) serveText(w http.ResponseWriter, v *visit, name string) {
	l := v.tongue
	p := textPage{
		Site: h.name, Operator: h.operator, Contact: h.contact,
		About: l.path("about"), Privacy: l.path("privacy"), Reach: l.path("contact"), School: l.path("school"),
	}
	switch name {
	case "about":
		p.Title = l.t("About this library")
	case "privacy":
		p.Title = l.t("Privacy")
	default:
		p.Title = l.t("Contact")
	}
	template := name
	if blocks, other, found := h.texts.of(name, l); found {
		template, p.Blocks = "text", blocks
		if other {
			p.Dir = "auto" // nobody said which language it is in
		}
	} else if name == "about" {
		p.Count = l.n("It has %s activity.", "It has %s activities.", v.view.Count(""))
	}
	f := v.newFrame(p.Title, p)
	f.at(v, name, nil)
	h.show(w, v, template, f, "")
}

// A contact is how to reach those who run the library: a link, or a text alone.
type contact struct{ Text, Href string }

// parseContact reads an e-mail address, a web address or any other line of text.
func parseContact(s string) (contact, error) {
	c := contact{Text: strings.TrimSpace(s)}
	if err := checkLine(c.Text); err != nil {
		return contact{}, err
	}
	switch lower := strings.ToLower(c.Text); {
	case strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://"):
		u, err := url.Parse(c.Text)
		if err != nil || u.Host == "" {
			return contact{}, errors.New("it is not a web address")
		}
		c.Href = u.String()
	case strings.ContainsRune(c.Text, '@') && !strings.ContainsRune(c.Text, ' '):
		a, err := mail.ParseAddress(c.Text)
		if err != nil || a.Address != c.Text {
			return contact{}, errors.New("it is not an e-mail address")
		}
		c.Href = (&url.URL{Scheme: "mailto", Opaque: url.PathEscape(a.Address)}).String()
	}
	return c, nil
}

// CheckContact returns what is wrong with a Config.Contact.
func CheckContact(s string) error {
	_, err := parseContact(s)
	return err
}

func checkLine(s string) error {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxContact || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("it must be one line of valid UTF-8 with at most %d letters", MaxContact)
	}
	return nil
}

// setWords takes what the administrator says of the library.
func (h *Handler) setWords(c Config) error {
	var errs []error
	h.texts, h.operator = c.Texts, strings.TrimSpace(c.Operator)
	if err := checkLine(h.operator); err != nil {
		errs = append(errs, fmt.Errorf("web: Config.Operator: %w", err))
	}
	var err error
	if h.contact, err = parseContact(c.Contact); err != nil {
		errs = append(errs, fmt.Errorf("web: Config.Contact: %w", err))
	}
	return errors.Join(errs...)
}
