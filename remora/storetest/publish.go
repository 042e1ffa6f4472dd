package storetest

import (
	"crypto/sha256"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sugarlabs/beamrider/remora"
)

func testEmpty(s *suite) {
	list, h := s.load()
	if len(list) != 0 {
		s.Errorf("an empty store has %d activities", len(list))
	}
	if h.Epoch == "" || h.Seq < 0 {
		s.Errorf("its position is %+v; it has no epoch", h.Position)
	}
	var slugs []string
	for _, c := range h.Categories {
		slugs = append(slugs, c.Slug)
		for _, locale := range []string{"en", "es", "fr", "ar"} {
			if v, used := c.Name.In(locale, ""); v == "" || used != locale {
				s.Errorf("category %s has no name in %s", c.Slug, locale)
			}
		}
	}
	s.diff("categories", []string{"games", "drawing", "maths-science", "communication", "art", "reading-writing", "music", "tools"}, slugs)
	d := s.since(h.Position)
	s.diff("Since of the present", remora.Delta{Header: remora.Header{Position: h.Position}}, d)
	if n := len(s.audit()); n != 0 {
		s.Errorf("the audit log of an empty store has %d lines", n)
	}
}

func testDraft(s *suite) {
	before := s.position()
	sub := bundle("org.laptop.Log", "41", "")
	st := s.draft(sub)
	if st.State != remora.StateDraft || st.Existing || st.Slug != "log" || st.Filename != "log-41.xo" {
		s.Errorf("the draft is %+v", st)
	}
	if st.ActivityID < 100001 || st.VersionID < 1000001 || st.FileID < 1000001 {
		s.Errorf("the numbers of %+v are not above those of the older site", st)
	}
	if s.visible(st.ActivityID) != nil {
		s.Error("a draft is visible")
	}
	if d := s.since(before); len(d.Activities) != 0 {
		s.Errorf("the feed tells of a draft: %+v", d.Activities)
	}
	if a := s.stored(st.ActivityID); len(a.Versions) != 1 || a.Versions[0].State != remora.StateDraft || len(a.Name) == 0 {
		s.Errorf("those who run the catalog see %+v", a)
	}
	// A second draft beside a published one does not show either.
	s.must(s.Publish(s.Context(), by, st.VersionID, remora.StatePublished, sub))
	s.draft(bundle("org.laptop.Log", "42", ""))
	if a := s.visible(st.ActivityID); a == nil || len(a.Versions) != 1 {
		s.Errorf("beside a draft readers see %+v", a)
	}
}

// rich says something in every field, in scripts that are easily mangled.
func rich() *remora.Submission {
	sub := bundle("org.sugarlabs.Büchér_𝒳", "28.1", "")
	sub.Name = remora.NewText(map[string]string{"en": "Books & <Things> \"\\'%_", "es": "Libros", "es-PE": "Libros 𝄞 de Perú", "ar": "كتب", "ja": "𠮟る本", "zh-Hant-TW": "書"})
	sub.Summary = remora.NewText(map[string]string{"en": "line one\nline two\ttab\r\n", "fr": "Été, où ça\u0301 ?"})
	sub.Description = remora.NewText(map[string]string{"en": strings.Repeat("Long 🐢. ", 9000), "und": "?"})
	sub.DefaultLocale = "es-PE"
	sub.ContentBundle = true
	sub.Tags = []string{"lesen", "Lesen", "école", "ecole", "🐢", " trimmed "}
	sub.License, sub.LicenseText = "GPL-3.0-or-later", "GPLv3+"
	sub.Homepage, sub.Repository = "https://example.org/?a=1&b=ü", "http://example.org/git"
	sub.Icon, sub.IconSize = sha256.Sum256([]byte("icon")), 77
	sub.Channel = remora.ChannelExperimental
	sub.Range = remora.Range{Min: remora.MustNumber("0.98"), Max: remora.MustNumber("0.116")}
	sub.RangeSource = remora.RangeSet
	sub.Interpreter = remora.InterpreterNative
	sub.Archs = []string{"armv7l", "x86_64"}
	sub.Notes = remora.NewText(map[string]string{"en": "New: 𝒳", "qu": "Musuq"})
	sub.Size = 1 << 40
	sub.Report = []byte{0, 1, 2, 0xff}
	return sub
}

func testPublish(s *suite) {
	sub := rich()
	st := s.publish(sub)
	got := s.visible(st.ActivityID)
	if got == nil {
		s.Fatal("a published activity is not visible")
	}
	if st.Slug == "" || strings.Trim(st.Slug, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		s.Errorf("the slug is %q", st.Slug)
	}
	want := remora.Activity{
		ID: st.ActivityID, BundleID: sub.BundleID, Slug: st.Slug, Listed: true, ContentBundle: true, DefaultLocale: "es-PE",
		Name: sub.Name, Summary: sub.Summary, Description: sub.Description,
		License: sub.License, LicenseText: sub.LicenseText, Homepage: sub.Homepage, Repository: sub.Repository, Icon: sub.Icon,
		Tags: []string{"Lesen", "ecole", "lesen", "trimmed", "école", "🐢"},
		Versions: []remora.Version{{
			Release: remora.Release{
				ID: st.VersionID, Number: sub.Number, State: remora.StatePublished, Channel: sub.Channel,
				Range: sub.Range, RangeSource: sub.RangeSource, Interpreter: sub.Interpreter, Archs: sub.Archs,
			},
			FileID: st.FileID, Filename: st.Filename, Size: sub.Size, SHA256: sub.SHA256, Notes: sub.Notes,
		}},
	}
	ignore := cmp.Options{cmpopts.IgnoreFields(remora.Activity{}, "Created", "Updated", "Revision"), cmpopts.IgnoreFields(remora.Version{}, "Submitted", "Published")}
	s.diff("Load", &want, got, ignore)
	v := got.Versions[0]
	if got.Created <= 0 || got.Updated < got.Created || v.Submitted <= 0 || v.Published < v.Submitted || got.Revision <= 0 {
		s.Errorf("times and revision are not in order: %+v, %+v", got, v)
	}
	stored := s.stored(st.ActivityID)
	s.diff("Activities tells the same", got, &stored)
}

func testDoneAgain(s *suite) {
	sub := bundle("org.laptop.Log", "41", "")
	first := s.draft(sub)
	s.unchanged("drafting the same again", func() {
		again := s.draft(sub)
		want := first
		want.Existing = true
		s.diff("the second draft", want, again)
	})
	s.must(s.Publish(s.Context(), by, first.VersionID, remora.StateAwaiting, sub))
	if again := s.draft(sub); again.State != remora.StateAwaiting || !again.Existing {
		s.Errorf("drafting an awaiting version again is %+v", again)
	}
	s.must(s.Publish(s.Context(), by, first.VersionID, remora.StatePublished, sub))
	before := s.visible(first.ActivityID)
	s.unchanged("publishing and drafting again", func() {
		s.must(s.Publish(s.Context(), by, first.VersionID, remora.StatePublished, sub))
		if again := s.draft(sub); again.State != remora.StatePublished || !again.Existing {
			s.Errorf("drafting a published version again is %+v", again)
		}
	})
	s.diff("the activity", before, s.visible(first.ActivityID))
	for _, state := range []remora.State{remora.StateDisabled, remora.StateDeleted} {
		s.must(s.EditVersion(s.Context(), by, first.VersionID, remora.VersionEdit{State: &state}))
		s.unchanged("publishing what a person withdrew", func() {
			s.refused(s.Publish(s.Context(), by, first.VersionID, remora.StatePublished, sub), remora.KindConflict, "version.transition")
		})
		if state == remora.StateDisabled {
			if again := s.draft(sub); again.State != state || !again.Existing {
				s.Errorf("drafting a disabled version again is %+v", again)
			}
		}
	}
}

func testRefusedDrafts(s *suite) {
	sub := bundle("org.laptop.Log", "1.10", "")
	st := s.publish(sub)
	other := bundle("org.laptop.Log", "1.10", "other bytes")
	s.stage(other)
	equal := bundle("org.laptop.Log", "1.10.0", "")
	s.stage(equal)
	for _, id := range []string{"org.laptop.Log", "ORG.LAPTOP.LOG"} {
		other.BundleID, equal.BundleID = id, id
		s.unchanged("a refused draft", func() {
			_, err := s.Draft(s.Context(), by, other)
			s.refused(err, remora.KindConflict, "version.exists")
			_, err = s.Draft(s.Context(), by, equal)
			s.refused(err, remora.KindConflict, "version.equal")
		})
	}
	equal.History = true
	if old, err := s.Draft(s.Context(), by, equal); err != nil || old.ActivityID != st.ActivityID || old.Filename == st.Filename {
		s.Errorf("an import of history is refused an equal number: %+v, %v", old, err)
	}
	never := bundle("org.laptop.Log", "2", "")
	_, err := s.Draft(s.Context(), by, never)
	s.refused(err, remora.KindConflict, "blob.unstaged")

	s.must(s.EditVersion(s.Context(), by, st.VersionID, remora.VersionEdit{State: ptr(remora.StateDeleted)}))
	s.stage(sub)
	_, err = s.Draft(s.Context(), by, sub)
	s.refused(err, remora.KindConflict, "version.deleted")

	// Publish wants the version's own submission, and a state in which it is offered.
	fresh := s.draft(bundle("org.laptop.Log", "3", ""))
	s.refused(s.Publish(s.Context(), by, fresh.VersionID, remora.StatePublished, sub), remora.KindConflict, "version.other")
	s.refused(s.Publish(s.Context(), by, fresh.VersionID, remora.StateDisabled, bundle("org.laptop.Log", "3", "")), remora.KindInvalid, "")
}

func testInvalid(s *suite) {
	for what, spoil := range map[string]func(*remora.Submission){
		"no bundle id":     func(b *remora.Submission) { b.BundleID = "" },
		"a long bundle id": func(b *remora.Submission) { b.BundleID = strings.Repeat("a.", 200) + "b" },
		"no number":        func(b *remora.Submission) { b.Number = remora.Number{} },
		"no name":          func(b *remora.Submission) { b.Name = nil },
		"no sum":           func(b *remora.Submission) { b.SHA256 = remora.Digest{} },
		"not UTF-8":        func(b *remora.Submission) { b.Summary = remora.Text{{Locale: "en", Value: "\xff"}} },
		"a locale twice": func(b *remora.Submission) {
			b.Notes = remora.Text{{Locale: "en", Value: "a"}, {Locale: "en", Value: "b"}}
		},
		"an abnormal locale":    func(b *remora.Submission) { b.Notes = remora.Text{{Locale: "en_US", Value: "a"}} },
		"an endless text":       func(b *remora.Submission) { b.Description = remora.PlainText("en", strings.Repeat("x", 2<<20)) },
		"an endless tag":        func(b *remora.Submission) { b.Tags = []string{strings.Repeat("x", 200)} },
		"an empty tag":          func(b *remora.Submission) { b.Tags = []string{" "} },
		"a processor of blanks": func(b *remora.Submission) { b.Archs = []string{"a b"} },
		"a negative size":       func(b *remora.Submission) { b.Size = -1 },
		"a negative id":         func(b *remora.Submission) { b.ActivityID = -1 },
	} {
		sub := bundle("org.laptop.Log", "1", "")
		s.stage(sub)
		spoil(sub)
		_, err := s.Draft(s.Context(), by, sub)
		if remora.KindOf(orNil(err)) != remora.KindInvalid {
			s.Errorf("a submission with %s: the error is %v", what, err)
		}
	}
	if _, err := s.Draft(s.Context(), by, nil); remora.KindOf(orNil(err)) != remora.KindInvalid {
		s.Errorf("no submission: the error is %v", err)
	}
	if list, _ := s.load(); len(list) > 0 || len(s.audit()) > 0 {
		s.Error("a refused submission left something behind")
	}
}

// orNil lets KindOf be asked about no error.
func orNil(err error) error {
	if err == nil {
		return remora.Errorf(remora.KindInternal, "", "no error")
	}
	return err
}

func testWantedNumbers(s *suite) {
	sub := bundle("org.laptop.Log", "1", "")
	sub.ActivityID, sub.FileID = 4050, 25000
	st := s.publish(sub)
	if st.ActivityID != 4050 || st.FileID != 25000 {
		s.Errorf("wanted activity 4050, file 25000, got %+v", st)
	}
	for _, c := range []struct {
		id, number           string
		activityID, fileID   int64
		code                 string
		gotActivity, gotFile int64
	}{
		{"org.laptop.Other", "1", 4050, 0, "activity.id", 0, 0},
		{"org.laptop.Other", "1", 0, 25000, "file.id", 0, 0},
		{"org.laptop.Log", "2", 4050, 0, "", 4050, 0},
		{"org.laptop.Log", "3", 4999, 25001, "", 4050, 25001}, // the activity is there: its id stays
		{"org.laptop.New", "1", 200500, 0, "", 200500, 0},
	} {
		sub := bundle(c.id, c.number, "")
		sub.ActivityID, sub.FileID = c.activityID, c.fileID
		s.stage(sub)
		st, err := s.Draft(s.Context(), by, sub)
		if c.code != "" {
			s.refused(err, remora.KindConflict, c.code)
			continue
		}
		if err != nil || st.ActivityID != c.gotActivity || c.gotFile != 0 && st.FileID != c.gotFile || st.FileID == 0 {
			s.Errorf("%+v: got %+v, %v", c, st, err)
		}
	}
	// An own number that a wanted one has taken is passed over.
	first := s.draft(bundle("org.laptop.A", "1", ""))
	taken := bundle("org.laptop.A", "2", "")
	taken.FileID = first.VersionID + 2
	s.draft(taken)
	third := s.draft(bundle("org.laptop.A", "3", ""))
	if third.FileID == taken.FileID || third.FileID <= 0 {
		s.Errorf("the file number %d was given out twice", third.FileID)
	}
	if next := s.draft(bundle("org.laptop.B", "1", "")); next.ActivityID <= 200500 {
		s.Errorf("activity number %d may have been used before: 200500 was", next.ActivityID)
	}
}

func testBundleCase(s *suite) {
	one := s.publish(bundle("org.laptop.Log", "1", ""))
	two := s.publish(bundle("ORG.laptop.LOG", "2", ""))
	if one.ActivityID != two.ActivityID || two.Slug != one.Slug {
		s.Errorf("two spellings are two activities: %+v and %+v", one, two)
	}
	if a := s.visible(one.ActivityID); a.BundleID != "ORG.laptop.LOG" {
		s.Errorf("the activity is spelled %s, not as its newest bundle spells it", a.BundleID)
	}
	for _, ref := range []string{"org.laptop.log", "Org.Laptop.Log"} {
		n := 0
		s.must(s.Activities(s.Context(), remora.ActivityQuery{Ref: ref}, func(remora.Activity) error { n++; return nil }))
		if n != 1 {
			s.Errorf("%s finds %d activities", ref, n)
		}
	}
}

func testHighest(s *suite) {
	v := func(number, name string) *remora.Submission {
		sub := bundle("org.laptop.Log", number, "")
		sub.Name = remora.PlainText("en", name)
		sub.License = "licence of " + name
		sub.Tags = []string{"tag of " + name}
		return sub
	}
	st := s.publish(v("1.9", "nine"))
	check := func(want string) {
		s.Helper()
		a := s.visible(st.ActivityID)
		s.diff("the texts", [][]string{{want}, {"licence of " + want}, {"tag of " + want}}, [][]string{{first(a.Name)}, {a.License}, a.Tags})
	}
	check("nine")
	s.publish(v("1.10", "ten")) // 1.9 < 1.10
	check("ten")
	s.publish(v("1.2", "two"))
	check("ten")
	awaiting := v("2", "awaiting")
	d := s.draft(awaiting)
	s.must(s.Publish(s.Context(), by, d.VersionID, remora.StateAwaiting, awaiting))
	check("ten")
	s.must(s.Publish(s.Context(), by, d.VersionID, remora.StatePublished, awaiting))
	check("awaiting")
	// Texts that the newest bundle does not have any more go away.
	last := v("3", "last")
	last.Summary = remora.PlainText("en", "short")
	s.publish(last)
	s.publish(v("4", "bare"))
	if a := s.visible(st.ActivityID); len(a.Summary) != 0 {
		s.Errorf("the summary of an older bundle stayed: %v", a.Summary)
	}
}

func first(t remora.Text) string {
	if len(t) == 0 {
		return ""
	}
	return t[0].Value
}
