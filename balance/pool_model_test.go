package balance

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// watcher is a Picker that notes whom it could have picked.
type watcher struct{ names []string }

func (p *watcher) Pick(_ Info, candidates []Candidate) int {
	p.names = nil
	for _, c := range candidates {
		p.names = append(p.names, c.Name)
	}
	return 0
}

// A member is what a model knows of a backend.
type member struct {
	Backend
	Draining, Disabled bool
	Why                string
	Health             health
}

// free reports whether it may be given requests.
func (m *member) free() bool { return !m.Draining && !m.Disabled }

// TestPoolModel: after any sequence of operations a pool has the backends, with the states, that a simple list
// would have, and requests may go to those that the rules say and to no others.
func TestPoolModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		picker := &watcher{}
		b, err := New(nil, &Options{Picker: picker, Outliers: OutlierOptions{Off: true}, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		var model []member
		names := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		backend := rapid.Custom(func(t *rapid.T) Backend {
			name := names.Draw(t, "name")
			return Backend{Name: name, URL: "http://" + name + rapid.SampledFrom([]string{"", "2"}).Draw(t, "host"),
				Weight: rapid.IntRange(1, 3).Draw(t, "weight"), Backup: rapid.IntRange(0, 3).Draw(t, "kind") == 0}
		})
		find := func(list []member, name string) int {
			return slices.IndexFunc(list, func(m member) bool { return m.Name == name })
		}
		// set is what Set does by the documentation.
		set := func(list []Backend) (next []member, ok bool) {
			for _, e := range list {
				if find(next, e.Name) >= 0 {
					return model, false
				}
				m := member{Backend: e, Health: unknown}
				if i := find(model, e.Name); i >= 0 && model[i].URL == e.URL {
					m = model[i]
					m.Backend = e
				}
				next = append(next, m)
			}
			return next, true
		}
		// about does something to one backend, which may not be there.
		about := func(t *rapid.T, do func(name string) error, change func(m *member)) {
			name := names.Draw(t, "name")
			i := find(model, name)
			if err := do(name); (err == nil) != (i >= 0) || err != nil && !errors.Is(err, ErrUnknownBackend) {
				t.Fatalf("%s: %v", name, err)
			}
			if i >= 0 {
				change(&model[i])
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				list := rapid.SliceOfN(backend, 0, 4).Draw(t, "list")
				next, ok := set(list)
				if err := b.Set(list); (err == nil) != ok {
					t.Fatal(err)
				}
				model = next
			},
			"add": func(t *rapid.T) {
				e := backend.Draw(t, "backend")
				there := find(model, e.Name) >= 0
				if err := b.Add(e); (err == nil) == there {
					t.Fatal(err)
				}
				if !there {
					model = append(model, member{Backend: e, Health: unknown})
				}
			},
			"remove": func(t *rapid.T) {
				about(t, b.Remove, func(m *member) { m.Weight = 0 })
				model = slices.DeleteFunc(model, func(m member) bool { return m.Weight == 0 })
			},
			"weigh": func(t *rapid.T) {
				n := rapid.IntRange(1, 9).Draw(t, "weight")
				about(t, func(name string) error { return b.SetWeight(name, n) }, func(m *member) { m.Weight = n })
			},
			"disable": func(t *rapid.T) {
				why := rapid.SampledFrom([]string{"", "a new disk"}).Draw(t, "why")
				about(t, func(name string) error { return b.Disable(name, why) }, func(m *member) { m.Disabled, m.Why = true, why })
			},
			"enable": func(t *rapid.T) {
				about(t, b.Enable, func(m *member) {
					if m.Disabled {
						m.Disabled, m.Health = false, unknown
					}
				})
			},
			"drain": func(t *rapid.T) {
				about(t, func(name string) error { return b.Drain(context.Background(), name) }, func(m *member) { m.Draining = true })
			},
			"undrain": func(t *rapid.T) {
				about(t, b.Undrain, func(m *member) { m.Draining = false })
			},
			"judge": func(t *rapid.T) {
				h := rapid.SampledFrom([]health{down, unknown, up}).Draw(t, "health")
				if name := names.Draw(t, "name"); find(model, name) >= 0 {
					b.pool.Load().find(name).state.turn(h, "")
					model[find(model, name)].Health = h
				}
			},
			"": func(t *rapid.T) {
				var got []member
				for _, s := range b.Snapshot() {
					m := member{Backend: Backend{Name: s.Name, URL: s.URL, Weight: s.Weight, Backup: s.Backup}, Draining: s.Draining, Disabled: s.State == "disabled"}
					m.Health = map[string]health{"healthy": up, "unhealthy": down, "unknown": unknown}[s.Health]
					if m.Disabled {
						m.Why = s.Reason
					}
					got = append(got, m)
				}
				want := slices.Clone(model)
				for i := range want {
					if !want[i].Disabled {
						want[i].Why = ""
					}
				}
				if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
					t.Fatalf("(-model +pool)\n%s", diff)
				}
				picker.names = nil
				w := httptest.NewRecorder()
				b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				may := best(model)
				if diff := cmp.Diff(may, picker.names); diff != "" {
					t.Fatalf("candidates (-model +pool)\n%s", diff)
				}
				if (w.Code == 200) != (len(may) > 0) {
					t.Fatalf("%d with the candidates %q", w.Code, may)
				}
			},
		})
	})
}

// best are those who may be asked: the first kind of which there is one.
func best(list []member) (names []string) {
	for _, h := range []health{up, unknown, down} {
		for _, backup := range []bool{false, true} {
			for _, m := range list {
				if m.free() && m.Health == h && m.Backup == backup {
					names = append(names, m.Name)
				}
			}
			if names != nil {
				return names
			}
		}
	}
	return nil
}
