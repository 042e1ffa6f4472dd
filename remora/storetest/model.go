package storetest

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
)

// A model is what the contract says a store must tell readers, in the simplest words.
type model struct {
	activities map[string]*modelActivity // by bundle id
}

type modelActivity struct {
	id       int64
	state    remora.ActivityState
	names    map[string]string // of the highest bundle published so far, at that time
	owner    map[string]string
	versions map[string]*modelVersion
}

type modelVersion struct {
	id    int64
	state remora.State
	sub   *remora.Submission
}

// testModel does random things to a store and a model, and compares what they tell: by a full load,
// and by the feed. One store serves all rounds; each has bundle ids of its own.
func testModel(s *suite) {
	f := s.follow()
	round := 0
	rapid.Check(s.T, func(t *rapid.T) {
		round++
		m := &model{map[string]*modelActivity{}}
		ctx := s.Context()
		ids := []string{fmt.Sprintf("r%d.a", round), fmt.Sprintf("r%d.b", round)}
		numbers := []string{"1", "1.0", "2", "2.1", "10"}
		anyVersion := func(t *rapid.T) (*modelActivity, *modelVersion) {
			a := m.activities[rapid.SampledFrom(ids).Draw(t, "activity")]
			if a == nil {
				t.Skip("no such activity yet")
			}
			v := a.versions[rapid.SampledFrom(numbers).Draw(t, "number")]
			if v == nil {
				t.Skip("no such version yet")
			}
			return a, v
		}
		t.Repeat(map[string]func(*rapid.T){
			"draft": func(t *rapid.T) {
				sub := bundle(rapid.SampledFrom(ids).Draw(t, "activity"), rapid.SampledFrom(numbers).Draw(t, "number"), rapid.SampledFrom([]string{"x", "y"}).Draw(t, "bytes"))
				sub.Name = remora.NewText(map[string]string{"en": sub.Number.String(), rapid.SampledFrom([]string{"en", "es"}).Draw(t, "locale"): "n" + sub.Number.String()})
				if err := s.Stage(ctx, sub.SHA256, sub.Size, "x"); err != nil {
					t.Fatal(err)
				}
				st, err := s.Draft(ctx, by, sub)
				want := m.draftError(sub)
				if code := codeOf(err); code != want {
					t.Fatalf("Draft of %s %s: %v, want code %q", sub.BundleID, sub.Number, err, want)
				}
				if err == nil {
					m.draft(sub, st)
				}
			},
			"publish": func(t *rapid.T) {
				a, v := anyVersion(t)
				to := rapid.SampledFrom([]remora.State{remora.StateAwaiting, remora.StatePublished}).Draw(t, "to")
				err := s.Publish(ctx, by, v.id, to, v.sub)
				want := ""
				switch {
				case v.state == to:
				case v.state != remora.StateDraft && v.state != remora.StateAwaiting, !v.state.CanBecome(to):
					want = "version.transition"
				case a.state == remora.ActivityDeleted:
					want = "activity.deleted"
				default:
					defer a.publish(v, to)
				}
				if code := codeOf(err); code != want {
					t.Fatalf("Publish to %s: %v, want code %q", to, err, want)
				}
			},
			"edit version": func(t *rapid.T) {
				_, v := anyVersion(t)
				to := rapid.SampledFrom([]remora.State{remora.StateAwaiting, remora.StatePublished, remora.StateRejected, remora.StateDisabled, remora.StateDeleted}).Draw(t, "to")
				err := s.EditVersion(ctx, by, v.id, remora.VersionEdit{State: &to})
				want := ""
				if v.state != to && !v.state.CanBecome(to) {
					want = "version.transition"
				}
				if code := codeOf(err); code != want {
					t.Fatalf("EditVersion from %s to %s: %v, want code %q", v.state, to, err, want)
				}
				if err == nil {
					v.state = to
				}
			},
			"edit activity": func(t *rapid.T) {
				a := m.activities[rapid.SampledFrom(ids).Draw(t, "activity")]
				if a == nil {
					t.Skip("no such activity yet")
				}
				to := rapid.SampledFrom([]remora.ActivityState{remora.ActivityActive, remora.ActivityActive, remora.ActivityDisabled, remora.ActivityDeleted}).Draw(t, "to")
				text := remora.TextEdit{Field: "name", Locale: rapid.SampledFrom([]string{"en", "fr"}).Draw(t, "locale"), Value: rapid.SampledFrom([]string{"", "mine"}).Draw(t, "value")}
				err := s.EditActivity(ctx, by, a.id, remora.ActivityEdit{State: &to, Texts: []remora.TextEdit{text}})
				want := ""
				if a.state == remora.ActivityDeleted && to != a.state {
					want = "activity.transition"
				}
				if code := codeOf(err); code != want {
					t.Fatalf("EditActivity from %s to %s: %v, want code %q", a.state, to, err, want)
				}
				if err == nil {
					a.state = to
					a.owner[text.Locale] = text.Value
				}
			},
			"": func(t *rapid.T) {
				before := f.at
				if err := f.take(ctx, s.Store); err != nil {
					t.Fatal(err)
				}
				var all []remora.Activity
				h, err := s.Load(ctx, func(a remora.Activity) error { all = append(all, a); return nil })
				if err != nil {
					t.Fatal(err)
				}
				if h.Position != f.at {
					t.Fatalf("the feed went from %v to %v, the store is at %v", before, f.at, h.Position)
				}
				if d := cmp.Diff(all, f.list(), equalNumbers, cmpopts.EquateEmpty()); d != "" {
					t.Fatalf("Load and the feed differ (-load +feed):\n%s", d)
				}
				var got []modelSeen
				for _, a := range all {
					if slices.Contains(ids, a.BundleID) {
						got = append(got, seen(&a))
					}
				}
				if d := cmp.Diff(m.seen(ids), got, cmpopts.EquateEmpty()); d != "" {
					t.Fatalf("the store differs from the model (-model +store):\n%s", d)
				}
			},
		})
	})
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	e, ok := err.(*remora.Error)
	if !ok || e.Code == "" {
		return "no code"
	}
	return e.Code
}

func (m *model) draftError(sub *remora.Submission) string {
	a := m.activities[sub.BundleID]
	if a == nil {
		return ""
	}
	if a.state == remora.ActivityDeleted {
		return "activity.deleted"
	}
	if v := a.versions[sub.Number.String()]; v != nil {
		switch {
		case v.state == remora.StateDeleted:
			return "version.deleted"
		case v.sub.SHA256 != sub.SHA256:
			return "version.exists"
		}
		return ""
	}
	for _, v := range a.versions {
		if v.sub.Number.Compare(sub.Number) == 0 {
			return "version.equal"
		}
	}
	return ""
}

func (m *model) draft(sub *remora.Submission, st remora.Stored) {
	a := m.activities[sub.BundleID]
	if a == nil {
		a = &modelActivity{id: st.ActivityID, names: texts(sub.Name), owner: map[string]string{}, versions: map[string]*modelVersion{}}
		m.activities[sub.BundleID] = a
	}
	if a.versions[sub.Number.String()] == nil {
		a.versions[sub.Number.String()] = &modelVersion{id: st.VersionID, sub: sub}
	}
}

func (a *modelActivity) publish(v *modelVersion, to remora.State) {
	v.state = to
	if to != remora.StatePublished {
		return
	}
	for _, w := range a.versions {
		if w.state == remora.StatePublished && w.sub.Number.Compare(v.sub.Number) > 0 {
			return
		}
	}
	a.names = texts(v.sub.Name)
}

func texts(t remora.Text) map[string]string {
	m := map[string]string{}
	for _, l := range t {
		m[l.Locale] = l.Value
	}
	return m
}

// modelSeen is what the model knows of an activity that readers see.
type modelSeen struct {
	ID       int64
	Names    map[string]string
	Versions map[string]string // number to state
}

func seen(a *remora.Activity) modelSeen {
	out := modelSeen{a.ID, texts(a.Name), map[string]string{}}
	for _, v := range a.Versions {
		out.Versions[v.Number.String()] = v.State.String()
	}
	return out
}

func (m *model) seen(ids []string) (list []modelSeen) {
	for _, id := range ids {
		a := m.activities[id]
		if a == nil || a.state != remora.ActivityActive {
			continue
		}
		out := modelSeen{a.id, map[string]string{}, map[string]string{}}
		for locale, name := range a.names {
			out.Names[locale] = name
		}
		for locale, name := range a.owner {
			if name != "" {
				out.Names[locale] = name
			}
		}
		for number, v := range a.versions {
			if v.state.Offered() {
				out.Versions[number] = v.state.String()
			}
		}
		if len(out.Versions) > 0 {
			list = append(list, out)
		}
	}
	slices.SortFunc(list, func(a, b modelSeen) int { return int(a.ID - b.ID) })
	return list
}
