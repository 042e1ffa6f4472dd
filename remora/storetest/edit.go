package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sugarlabs/beamrider/remora"
)

func testOwner(s *suite) {
	v := func(number string) *remora.Submission {
		sub := bundle("org.laptop.Log", number, "")
		sub.Name = remora.NewText(map[string]string{"en": "Log " + number, "fr": "Journal " + number})
		sub.Tags = []string{"bundle"}
		return sub
	}
	st := s.publish(v("1"))
	set := func(field, locale, value string) {
		s.Helper()
		s.must(s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{Texts: []remora.TextEdit{{Field: field, Locale: locale, Value: value}}}))
	}
	names := func(want remora.Text) {
		s.Helper()
		s.diff("the name", want, s.visible(st.ActivityID).Name)
	}
	set("name", "en", "Owner's 𝒳")
	set("name", "es_PE", "Del dueño")
	names(remora.NewText(map[string]string{"en": "Owner's 𝒳", "es-PE": "Del dueño", "fr": "Journal 1"}))
	set("name", "en", "Owner's again")
	s.publish(v("2")) // a new bundle does not wipe it
	names(remora.NewText(map[string]string{"en": "Owner's again", "es-PE": "Del dueño", "fr": "Journal 2"}))
	set("name", "en", "")
	set("name", "es-PE", "")
	names(remora.NewText(map[string]string{"en": "Log 2", "fr": "Journal 2"}))
	s.unchanged("taking back a text that is not there", func() { set("name", "en", "") })
	for _, e := range []remora.TextEdit{{Field: "title", Locale: "en", Value: "x"}, {Field: "name", Locale: "!", Value: "x"}, {Field: "name", Locale: "en", Value: "\xff"}} {
		s.refused(s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{Texts: []remora.TextEdit{e}}), remora.KindInvalid, "")
	}

	tags := func(want ...string) {
		s.Helper()
		s.diff("the tags", want, s.visible(st.ActivityID).Tags)
	}
	tags("bundle")
	s.must(s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{Tags: &[]string{"owner", "a", "owner"}}))
	s.publish(v("3"))
	tags("a", "owner")
	s.must(s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{Tags: &[]string{}}))
	s.publish(v("4"))
	tags()
}

func testTransitions(s *suite) {
	states := []remora.State{remora.StateDraft, remora.StateAwaiting, remora.StatePublished, remora.StateRejected, remora.StateDisabled, remora.StateDeleted}
	n := 0
	// reach brings a new version to a state by the ways there are.
	reach := func(state remora.State) int64 {
		s.Helper()
		n++
		sub := bundle("org.laptop.Log", fmt.Sprint(n), "")
		st := s.draft(sub)
		path := map[remora.State][]remora.State{
			remora.StateAwaiting: {remora.StateAwaiting}, remora.StatePublished: {remora.StatePublished},
			remora.StateRejected: {remora.StateAwaiting, remora.StateRejected}, remora.StateDisabled: {remora.StatePublished, remora.StateDisabled},
			remora.StateDeleted: {remora.StateDeleted},
		}[state]
		for _, to := range path {
			s.must(s.EditVersion(s.Context(), by, st.VersionID, remora.VersionEdit{State: &to}))
		}
		return st.VersionID
	}
	for _, from := range states {
		for _, to := range states {
			id := reach(from)
			err := s.EditVersion(s.Context(), by, id, remora.VersionEdit{State: &to})
			switch {
			case from == to || from.CanBecome(to):
				if err != nil {
					s.Errorf("%s → %s: %v", from, to, err)
				}
			default:
				s.refused(err, remora.KindConflict, "version.transition")
				to = from
			}
			a := s.visible(s.ownerOf(id))
			shown := a != nil && slices.ContainsFunc(a.Versions, func(v remora.Version) bool { return v.ID == id })
			if shown != to.Offered() {
				s.Errorf("%s → %s: shown to readers is %v", from, to, shown)
			}
		}
	}
}

func (s *suite) ownerOf(versionID int64) (id int64) {
	s.Helper()
	s.must(s.Activities(s.Context(), remora.ActivityQuery{}, func(a remora.Activity) error {
		if slices.ContainsFunc(a.Versions, func(v remora.Version) bool { return v.ID == versionID }) {
			id = a.ID
		}
		return nil
	}))
	return id
}

func testEditVersion(s *suite) {
	st := s.publish(bundle("org.laptop.Log", "1", ""))
	before := s.visible(st.ActivityID)
	set := remora.Range{Min: remora.MustNumber("0.82"), Max: remora.MustNumber("0.96")}
	s.must(s.EditVersion(s.Context(), by, st.VersionID, remora.VersionEdit{
		Channel: ptr(remora.ChannelExperimental), Range: &remora.RangeEdit{Range: set, Source: remora.RangeSet},
	}))
	a := s.visible(st.ActivityID)
	v := a.Versions[0]
	if v.Channel != remora.ChannelExperimental || v.Range != set || v.RangeSource != remora.RangeSet || v.State != remora.StatePublished {
		s.Errorf("after the edit the version is %+v", v)
	}
	if a.Revision <= before.Revision || a.Updated < before.Updated {
		s.Errorf("the revision %d and time %d do not tell of the edit", a.Revision, a.Updated)
	}
	s.unchanged("the same edit again", func() {
		s.must(s.EditVersion(s.Context(), by, st.VersionID, remora.VersionEdit{Channel: ptr(remora.ChannelExperimental), Range: &remora.RangeEdit{Range: set, Source: remora.RangeSet}, State: ptr(remora.StatePublished)}))
		s.must(s.EditVersion(s.Context(), by, st.VersionID, remora.VersionEdit{}))
	})
	s.must(s.EditVersion(s.Context(), by, st.VersionID, remora.VersionEdit{Range: &remora.RangeEdit{Range: set, Source: remora.RangeInferred}}))
	if v := s.visible(st.ActivityID).Versions[0]; v.Range != remora.InferRange(remora.InterpreterPython3) || v.RangeSource != remora.RangeInferred {
		s.Errorf("back to the inferred range, the version has %v, %v", v.Range, v.RangeSource)
	}
	wrong := remora.Range{Min: set.Max, Max: set.Min}
	s.refused(s.EditVersion(s.Context(), by, st.VersionID, remora.VersionEdit{Range: &remora.RangeEdit{Range: wrong, Source: remora.RangeSet}}), remora.KindInvalid, "")
}

func testEditActivity(s *suite) {
	st := s.publish(bundle("org.laptop.Log", "1", ""))
	edit := remora.ActivityEdit{Listed: ptr(false), FeaturedRank: ptr(3), Categories: &[]string{"tools", "games"}}
	s.must(s.EditActivity(s.Context(), by, st.ActivityID, edit))
	a := s.visible(st.ActivityID)
	if a.Listed || a.FeaturedRank != 3 {
		s.Errorf("after the edit the activity is %+v", a)
	}
	s.diff("the categories", []string{"games", "tools"}, a.Categories)
	s.unchanged("the same edit again", func() { s.must(s.EditActivity(s.Context(), by, st.ActivityID, edit)) })
	s.unchanged("a refused edit", func() {
		s.refused(s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{Listed: ptr(true), Categories: &[]string{"games", "nothing"}}), remora.KindInvalid, "category.unknown")
		s.refused(s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{FeaturedRank: ptr(-1)}), remora.KindInvalid, "")
	})
	s.must(s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{Categories: &[]string{}}))
	s.publish(bundle("org.laptop.Log", "2", ""))
	a2 := s.visible(st.ActivityID)
	if a2.Listed || a2.FeaturedRank != 3 || len(a2.Categories) != 0 {
		s.Errorf("a new bundle changed what people have set: %+v", a2)
	}
}

func testActivityStates(s *suite) {
	st := s.publish(bundle("org.laptop.Log", "1", ""))
	at := s.position()
	set := func(state remora.ActivityState) error {
		return s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{State: &state})
	}
	s.must(set(remora.ActivityDisabled))
	if s.visible(st.ActivityID) != nil {
		s.Error("a disabled activity is visible")
	}
	d := s.since(at)
	s.diff("Gone", []int64{st.ActivityID}, d.Gone)
	s.unchanged("disabling again", func() { s.must(set(remora.ActivityDisabled)) })
	s.publish(bundle("org.laptop.Log", "2", ""))
	if s.visible(st.ActivityID) != nil {
		s.Error("a new version shows a disabled activity")
	}
	at = s.position()
	s.must(set(remora.ActivityActive))
	if d := s.since(at); len(d.Activities) != 1 || len(d.Activities[0].Versions) != 2 {
		s.Errorf("shown again, the feed tells %+v", d)
	}
	s.must(set(remora.ActivityDeleted))
	for _, state := range []remora.ActivityState{remora.ActivityActive, remora.ActivityDisabled} {
		s.refused(set(state), remora.KindConflict, "activity.transition")
	}
	again := bundle("ORG.LAPTOP.LOG", "3", "")
	s.stage(again)
	_, err := s.Draft(s.Context(), by, again)
	s.refused(err, remora.KindConflict, "activity.deleted")
}

func testUnknown(s *suite) {
	ctx := s.Context()
	sub := bundle("org.laptop.Log", "1", "")
	for what, err := range map[string]error{
		"Publish":      s.Publish(ctx, by, 5, remora.StatePublished, sub),
		"EditActivity": s.EditActivity(ctx, by, 5, remora.ActivityEdit{Listed: ptr(true)}),
		"EditVersion":  s.EditVersion(ctx, by, 5, remora.VersionEdit{}),
		"Relinked":     s.Relinked(ctx, 5),
	} {
		if err == nil || !errors.Is(err, remora.ErrNotFound) {
			s.Errorf("%s of what is not there: %v", what, err)
		}
	}
	s.must(s.Unlinked(ctx, []int64{5}))
	s.must(s.Unlinked(ctx, nil))
	s.must(s.Forget(ctx, []remora.Digest{{1}}))
	s.must(s.Forget(ctx, nil))
}

func testActivities(s *suite) {
	log := s.publish(bundle("org.laptop.Log", "1", ""))
	s.publish(bundle("org.laptop.Log", "2", ""))
	s.must(s.EditVersion(s.Context(), by, log.VersionID, remora.VersionEdit{State: ptr(remora.StateDisabled)}))
	other := s.draft(bundle("org.example.Log", "1", "")) // the same slug
	gone := s.publish(bundle("org.laptop.Gone", "1", ""))
	s.must(s.EditActivity(s.Context(), by, gone.ActivityID, remora.ActivityEdit{State: ptr(remora.ActivityDeleted)}))
	for _, c := range []struct {
		q    remora.ActivityQuery
		want []int64
	}{
		{remora.ActivityQuery{}, []int64{log.ActivityID, other.ActivityID, gone.ActivityID}},
		{remora.ActivityQuery{State: ptr(remora.ActivityActive)}, []int64{log.ActivityID, other.ActivityID}},
		{remora.ActivityQuery{State: ptr(remora.ActivityDeleted)}, []int64{gone.ActivityID}},
		{remora.ActivityQuery{Ref: fmt.Sprint(log.ActivityID)}, []int64{log.ActivityID}},
		{remora.ActivityQuery{Ref: "ORG.laptop.log"}, []int64{log.ActivityID}},
		{remora.ActivityQuery{Ref: "gone"}, []int64{gone.ActivityID}},
		{remora.ActivityQuery{Ref: "gone", State: ptr(remora.ActivityActive)}, nil},
		{remora.ActivityQuery{Ref: "log"}, []int64{log.ActivityID, other.ActivityID}},
		{remora.ActivityQuery{Ref: "nothing"}, nil},
		{remora.ActivityQuery{Ref: "' OR 1=1 -- "}, nil},
		{remora.ActivityQuery{Ref: "%"}, nil},
	} {
		var got []int64
		s.must(s.Activities(s.Context(), c.q, func(a remora.Activity) error {
			got = append(got, a.ID)
			return nil
		}))
		s.diff(fmt.Sprintf("%+v", c.q), c.want, got)
	}
	if a := s.stored(log.ActivityID); len(a.Versions) != 2 || a.Versions[0].State != remora.StateDisabled {
		s.Errorf("not every version is there: %+v", a.Versions)
	}
	stop := errors.New("stop")
	n := 0
	if err := s.Activities(s.Context(), remora.ActivityQuery{}, func(remora.Activity) error { n++; return stop }); err != stop || n != 1 {
		s.Errorf("an error of yield: %d calls, %v", n, err)
	}
}

func testCollections(s *suite) {
	log := s.publish(bundle("org.laptop.Log", "1", ""))
	s.publish(bundle("org.laptop.Log", "2", ""))
	art := s.publish(bundle("org.laptop.Art", "5", ""))
	c := remora.Collection{
		Nickname: "perú 𝒳", Listed: true, DefaultLocale: "es",
		Name: remora.NewText(map[string]string{"en": "Peru", "es": "Perú"}), Description: remora.PlainText("es", "Para <todos>"),
		Items: []remora.CollectionItem{{BundleID: "org.laptop.ART", Optional: true}, {BundleID: "org.laptop.Log", Pin: remora.MustNumber("1")}},
	}
	at := s.position()
	id, err := s.PutCollection(s.Context(), by, c)
	s.must(err)
	d := s.since(at)
	if len(d.Activities)+len(d.Gone) != 0 || d.Seq <= at.Seq || len(d.Collections) != 1 {
		s.Errorf("the feed tells of a collection by %+v", d)
	}
	_, h := s.load()
	got := h.Collections[0]
	if got.UUID == "" || got.Updated <= 0 {
		s.Errorf("the collection is %+v", got)
	}
	want := c
	want.ID, want.UUID, want.Updated = id, got.UUID, got.Updated
	want.Items = []remora.CollectionItem{{ActivityID: art.ActivityID, BundleID: "org.laptop.Art", Optional: true}, {ActivityID: log.ActivityID, BundleID: "org.laptop.Log", Pin: remora.MustNumber("1")}}
	s.diff("the collection", want, got)
	s.unchanged("putting the same again", func() {
		if again, err := s.PutCollection(s.Context(), by, c); err != nil || again != id {
			s.Errorf("putting it again is %d, %v; want %d", again, err, id)
		}
	})
	c.Items = c.Items[:1]
	c.Listed = false
	c.Name = remora.PlainText("en", "Peru")
	if again, err := s.PutCollection(s.Context(), by, c); err != nil || again != id {
		s.Errorf("replacing it is %d, %v; want %d", again, err, id)
	}
	_, h = s.load()
	if got := h.Collections[0]; len(got.Items) != 1 || got.Listed || len(got.Name) != 1 || got.UUID != want.UUID {
		s.Errorf("replaced, it is %+v", got)
	}
	for _, bad := range []struct {
		code string
		item remora.CollectionItem
	}{
		{"collection.unknown", remora.CollectionItem{BundleID: "org.laptop.Nothing"}},
		{"collection.pin", remora.CollectionItem{BundleID: "org.laptop.Log", Pin: remora.MustNumber("77")}},
		{"collection.twice", remora.CollectionItem{BundleID: "ORG.laptop.art"}},
	} {
		c := c
		c.Items = append(slices.Clone(c.Items), bad.item)
		s.unchanged("a refused collection", func() {
			_, err := s.PutCollection(s.Context(), by, c)
			s.refused(err, remora.KindInvalid, bad.code)
		})
	}
	_, err = s.PutCollection(s.Context(), by, remora.Collection{})
	s.refused(err, remora.KindInvalid, "")
}

// testExactText checks that texts other than bundle ids are told apart whatever their case, accents
// and blanks.
func testExactText(s *suite) {
	names := []string{"olpc", "OLPC", "olpc ", "ólpc", "o\u0301lpc", "olpc𝒳", "olpc𝒴", "ß", "ss"}
	ids := map[int64]string{}
	for _, n := range names {
		id, err := s.PutCollection(s.Context(), by, remora.Collection{Nickname: n, Name: remora.PlainText("en", n)})
		s.must(err)
		if other, taken := ids[id]; taken {
			s.Errorf("the nicknames %q and %q are one", n, other)
		}
		ids[id] = n
	}
	_, h := s.load()
	for _, c := range h.Collections {
		if ids[c.ID] != c.Nickname || first(c.Name) != c.Nickname {
			s.Errorf("collection %d is %q, not %q", c.ID, c.Nickname, ids[c.ID])
		}
	}
}

func testWriteMode(s *suite) {
	store, ok := s.Store.(interface {
		SetWriteMode(ctx context.Context, mode string) error
	})
	if !ok {
		s.Skip("the store has no write modes")
	}
	ctx := s.Context()
	sub := bundle("org.laptop.Log", "1", "")
	st := s.publish(sub)
	next := bundle("org.laptop.Log", "2", "")
	s.stage(next)
	for _, mode := range []string{"frozen", "moved"} {
		s.must(store.SetWriteMode(ctx, mode))
		s.unchanged("a write while writes are "+mode, func() {
			_, draft := s.Draft(ctx, by, next)
			_, put := s.PutCollection(ctx, by, remora.Collection{Nickname: "x"})
			_, withdrawn := s.Withdrawn(ctx, 1)
			_, orphans := s.Orphans(ctx, 1, 1)
			for what, err := range map[string]error{
				"Stage": s.Stage(ctx, remora.Digest{9}, 1, "x"), "Draft": draft, "PutCollection": put, "Withdrawn": withdrawn, "Orphans": orphans,
				"Publish":      s.Publish(ctx, by, st.VersionID, remora.StatePublished, sub),
				"EditActivity": s.EditActivity(ctx, by, st.ActivityID, remora.ActivityEdit{Listed: ptr(false)}),
				"EditVersion":  s.EditVersion(ctx, by, st.VersionID, remora.VersionEdit{State: ptr(remora.StateDisabled)}),
				"Relinked":     s.Relinked(ctx, st.VersionID), "Unlinked": s.Unlinked(ctx, []int64{1}), "Forget": s.Forget(ctx, []remora.Digest{{1}}),
				"AddDownloads": s.AddDownloads(ctx, []remora.DownloadCount{{Day: "2026-01-01", VersionID: st.VersionID, Source: "page", N: 1}}),
			} {
				if err == nil || !errors.Is(err, remora.ErrReadOnly) || remora.MessageOf(err) == "" {
					s.Errorf("%s while %s: %v", what, mode, err)
				}
			}
			if s.visible(st.ActivityID) == nil {
				s.Errorf("reads do not go on while %s", mode)
			}
		})
	}
	s.refused(store.SetWriteMode(ctx, "open"), remora.KindInvalid, "")
	s.must(store.SetWriteMode(ctx, "normal"))
	s.publish(next)
}
