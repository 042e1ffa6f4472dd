package catalogtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// The ids of what [Activity] makes: activity i has id FirstActivity+i, and its version j, of three,
// has id FirstVersion+3i+j and file id FirstFile+3i+j.
const (
	FirstActivity int64 = 100_001
	FirstVersion  int64 = 1_000_001
	FirstFile     int64 = 20_001

	// VersionsEach is how many versions an activity has.
	VersionsEach = 3
	// ManyLocales is how many locales the well translated activities have, one in ten; the others
	// have FewLocales.
	ManyLocales = 80
	FewLocales  = 3
)

// Categories returns the categories that [Activity] uses, with their names in a few locales.
func Categories() []remora.Category {
	var list []remora.Category
	for i, slug := range categories {
		list = append(list, remora.Category{ID: int64(100 + i), Slug: slug, Name: remora.NewText(map[string]string{
			"en": strings.ToUpper(slug[:1]) + slug[1:], "es": slug + " (es)",
		})})
	}
	return list
}

var categories = []string{"art", "chat", "games", "maps", "maths", "media", "music", "programming", "reading", "science", "system", "teacher"}

// Activities yields the first n activities by id.
func Activities(n int) iter.Seq[remora.Activity] {
	return func(yield func(remora.Activity) bool) {
		for i := range n {
			if !yield(Activity(i)) {
				return
			}
		}
	}
}

// Activity returns activity i, i ≥ 0. One in ten has names and summaries in [ManyLocales] locales,
// the others in [FewLocales], descriptions are in three at most; one in fifty is not listed. The
// number of downloads falls with a random rank, as it does in life.
func Activity(i int) remora.Activity {
	r := rand.New(rand.NewPCG(uint64(i), 20090520))
	locales := FewLocales
	if i%10 == 0 {
		locales = ManyLocales
	}
	id := FirstActivity + int64(i)
	word := pick(r, latin)
	a := remora.Activity{
		ID:            id,
		BundleID:      fmt.Sprintf("org.sugarlabs.%s%d", strings.ToUpper(word[:1])+word[1:], i),
		Slug:          fmt.Sprintf("%s-%d", word, i),
		Listed:        i%50 != 49,
		ContentBundle: i%40 == 39,
		DefaultLocale: "en",
		License:       [...]string{"GPL-3.0-or-later", "GPL-2.0-or-later", "MIT", ""}[r.IntN(4)],
		Icon:          sum(uint64(id)),
		Downloads:     int64(1_000_000 / (1 + r.IntN(50_000))),
		Created:       remora.Time(1_240_000_000_000_000 + int64(i)*3_600_000_000),
		Revision:      1,
	}
	a.LicenseText = a.License
	if i%4 == 0 {
		a.Homepage = "https://wiki.example.org/go/Activities/" + a.Slug
	}
	if i%3 == 0 {
		a.Repository = "https://git.example.org/" + a.Slug
	}
	if i%500 == 7 {
		a.FeaturedRank = 1 + i/500
	}
	a.Updated = a.Created + remora.Time(r.Int64N(300_000_000_000_000))
	for l, locale := range localeList[:locales] {
		words := wordsOf(locale)
		a.Name = append(a.Name, remora.Localized{Locale: locale, Value: sentence(r, words, 1+r.IntN(2))})
		a.Summary = append(a.Summary, remora.Localized{Locale: locale, Value: sentence(r, words, 6+r.IntN(8))})
		if l < FewLocales {
			a.Description = append(a.Description, remora.Localized{Locale: locale, Value: sentence(r, words, 30+r.IntN(60))})
		}
	}
	for _, t := range []remora.Text{a.Name, a.Summary, a.Description} {
		sortText(t)
	}
	a.Categories = []string{categories[r.IntN(len(categories))]}
	if more := categories[r.IntN(len(categories))]; more != a.Categories[0] && r.IntN(2) == 0 {
		a.Categories = append(a.Categories, more)
	}
	for range r.IntN(5) {
		a.Tags = append(a.Tags, pick(r, latin))
	}
	interpreter := []remora.Interpreter{remora.InterpreterPython2, remora.InterpreterPython3, remora.InterpreterPython3, remora.InterpreterWeb}[r.IntN(4)]
	number := 1 + r.IntN(40)
	for j := range VersionsEach {
		v := remora.Version{
			Release: remora.Release{
				ID: FirstVersion + int64(VersionsEach*i+j), Number: remora.MustNumber(strconv.Itoa(number + j)),
				State: remora.StatePublished, Interpreter: interpreter, Range: remora.InferRange(interpreter),
			},
			FileID:    FirstFile + int64(VersionsEach*i+j),
			Filename:  fmt.Sprintf("%s-%d.xo", a.Slug, number+j),
			Size:      20_000 + r.Int64N(5_000_000),
			Notes:     remora.PlainText("en", sentence(r, latin, 5+r.IntN(10))),
			Submitted: a.Created + remora.Time(j)*86_400_000_000,
		}
		v.Published = v.Submitted + 3_600_000_000
		v.SHA256 = sum(uint64(v.ID))
		if j == VersionsEach-1 && i%20 == 3 {
			v.Channel = remora.ChannelExperimental
		}
		a.Versions = append(a.Versions, v)
	}
	return a
}

// TextBytes returns how many bytes of text a reader of a can come to see.
func TextBytes(a *remora.Activity) (n int) {
	for _, t := range []remora.Text{a.Name, a.Summary, a.Description} {
		n += textBytes(t)
	}
	for i := range a.Versions {
		n += textBytes(a.Versions[i].Notes) + len(a.Versions[i].Filename)
	}
	for _, tag := range a.Tags {
		n += len(tag)
	}
	return n + len(a.BundleID) + len(a.Slug) + len(a.Homepage) + len(a.Repository)
}

func textBytes(t remora.Text) (n int) {
	for _, l := range t {
		n += len(l.Value)
	}
	return n
}

func sum(n uint64) remora.Digest {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
}
