package load

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// An Import is a bundle that the library has acknowledged.
type Import struct {
	BundleID   string        `json:"bundle_id"`
	Number     string        `json:"number"` // of the version
	ActivityID int64         `json:"activity_id"`
	VersionID  int64         `json:"version_id"`
	Filename   string        `json:"filename"`
	SHA256     remora.Digest `json:"sha256"`
	Size       int           `json:"size"` // bytes
	Epoch      string        `json:"epoch"`
	Seq        int64         `json:"seq"`      // position of the catalog in which it shows
	Existing   bool          `json:"existing"` // an earlier attempt had been taken, though its answer did not arrive
	At         time.Time     `json:"at"`       // when the acknowledgement arrived
}

// A model is what the load knows to be in the catalog. All methods may be called concurrently.
type model struct {
	seed uint64

	mu     sync.Mutex
	rand   *rand.Rand // chooses what is imported next
	all    []*activity
	public []*activity // with an acknowledged version
	byID   map[int64]*activity
	acked  []Import
}

// An activity is one of the load's own. Its first two fields never change; the model's lock guards
// the others.
type activity struct {
	bundleID string
	name     string // one word that no other activity has

	id       int64 // 0: not acknowledged yet
	busy     bool  // a version of it is under way
	versions []version
}

// A version is one that was sent, whatever became of it. Its place in activity.versions orders it.
type version struct {
	sum    remora.Digest
	size   int
	acked  int // index in model.acked, -1: not acknowledged
	public string
}

func newModel(seed uint64) *model {
	return &model{seed: seed, rand: rand.New(rand.NewPCG(seed, 'm')), byID: map[int64]*activity{}}
}

// number writes the number of an activity's version by its place: 1.0, 1.1 … 1.11, 2.0. Who orders
// numbers as texts or as decimals gets them wrong.
func number(place int) string { return fmt.Sprintf("%d.%d", 1+place/12, place%12) }

// word returns a word of a fixed length that belongs to one activity of one seed, so that a search
// for it can be held to finding that activity. No word begins with another one.
func word(seed uint64, i int) string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	const syllables = len(consonants) * len(vowels)
	n := rand.New(rand.NewPCG(seed, 'w')).Uint64()>>8 + uint64(i)*7919
	var b strings.Builder
	for range 5 {
		s := int(n % uint64(syllables))
		n /= uint64(syllables)
		b.WriteByte(consonants[s/len(vowels)])
		b.WriteByte(vowels[s%len(vowels)])
	}
	w := b.String()
	return strings.ToUpper(w[:1]) + w[1:]
}

// A chosen is the next version to be made.
type chosen struct {
	act   *activity
	place int // of the version
	maker uint64
}

// choose decides what is imported next, and takes it: a new activity, or the next version of one
// that nothing is under way for.
func (m *model) choose(fresh bool) chosen {
	m.mu.Lock()
	defer m.mu.Unlock()
	var a *activity
	if !fresh && len(m.public) > 0 && m.rand.IntN(4) > 0 {
		for range 4 {
			if a = m.public[m.rand.IntN(len(m.public))]; !a.busy {
				break
			}
			a = nil
		}
	}
	if a == nil {
		a = m.add()
	}
	a.busy = true
	return chosen{a, len(a.versions), m.seed}
}

// add makes a new activity. The caller has locked the model.
func (m *model) add() *activity {
	i := len(m.all)
	w := word(m.seed, i)
	a := &activity{name: w, bundleID: "org.example.load" + strconv.FormatUint(m.seed, 36) + "." + w}
	m.all = append(m.all, a)
	return a
}

// own returns a new activity that choose leaves alone until a version of it is acknowledged.
func (m *model) own() *activity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.add()
}

// at returns an aim at the version of a bundle that is acknowledged.
func (m *model) at(b *bundle) aim {
	m.mu.Lock()
	defer m.mu.Unlock()
	return aim{act: b.act, id: b.act.id, hard: b.place, soft: b.place, newest: b.place, place: b.place}
}

// sending makes a version known: from now on answers may hold it.
func (m *model) sending(b *bundle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b.act.versions = append(b.act.versions, version{sum: b.sum, size: len(b.body), acked: -1})
}

// acknowledge records an import. It returns what contradicts earlier answers, "" if nothing does.
func (m *model) acknowledge(b *bundle, i Import) (fault string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := b.act
	a.busy = false
	if a.id != 0 && a.id != i.ActivityID {
		return fmt.Sprintf("version %s of %s went to activity %d, earlier ones to %d", i.Number, a.bundleID, i.ActivityID, a.id)
	}
	if a.id == 0 {
		if other := m.byID[i.ActivityID]; other != nil {
			return fmt.Sprintf("%s became activity %d, which is %s", a.bundleID, i.ActivityID, other.bundleID)
		}
		a.id = i.ActivityID
		m.byID[a.id] = a
		m.public = append(m.public, a)
	}
	a.versions[b.place].acked = len(m.acked)
	a.versions[b.place].public = "/activities/" + strconv.FormatInt(i.ActivityID, 10) + "/" + i.Filename
	m.acked = append(m.acked, i)
	return ""
}

// give up on a version for good; the activity may have others.
func (m *model) abandon(b *bundle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b.act.busy = false
}

// An aim is an activity that is asked for, and what an answer may hold. Places are those of
// versions; -1 is none.
type aim struct {
	act    *activity
	id     int64
	hard   int // the reader's token covers this version
	soft   int // this version was acknowledged long ago
	newest int // the newest acknowledged version

	// of one version, for downloads
	place  int
	public string // path
	sum    remora.Digest
}

// aim chooses an acknowledged activity, and a version of it, for a reader with a token (nil: none).
// What the reader has just imported is the likeliest. Something must have been acknowledged.
func (m *model) aim(r *rand.Rand, t *token, stale time.Duration) aim {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.public[r.IntN(len(m.public))]
	if t != nil && r.IntN(2) == 0 {
		a = t.act
	}
	return m.expect(a, r, t, stale)
}

func (m *model) expect(a *activity, r *rand.Rand, t *token, stale time.Duration) aim {
	g := aim{act: a, id: a.id, hard: -1, soft: -1, newest: -1}
	now := time.Now()
	for place := len(a.versions) - 1; place >= 0; place-- {
		if a.versions[place].acked < 0 {
			continue
		}
		i := &m.acked[a.versions[place].acked]
		g.newest = max(g.newest, place)
		if t != nil && t.covers(i) {
			g.hard = max(g.hard, place)
		}
		if stale >= 0 && now.Sub(i.At) > stale {
			g.soft = max(g.soft, place)
		}
		if g.hard >= 0 && g.soft >= 0 {
			break
		}
	}
	g.place = g.newest
	if g.hard >= 0 {
		g.place = g.hard
	}
	if r.IntN(2) == 0 {
		if place := r.IntN(len(a.versions)); a.versions[place].acked >= 0 {
			g.place = place
		}
	}
	v := &a.versions[g.place]
	g.public, g.sum = v.public, v.sum
	return g
}

// ofVersion turns an aim at an activity into one at its chosen version alone.
func (m *model) ofVersion(g aim, t *token, stale time.Duration) aim {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := &m.acked[g.act.versions[g.place].acked]
	g.hard, g.soft, g.newest = -1, -1, g.place
	if t != nil && t.covers(i) {
		g.hard = g.place
	}
	if stale >= 0 && time.Since(i.At) > stale {
		g.soft = g.place
	}
	return g
}

// find returns the place of the version with these bytes among those ever sent, -1 if there is
// none.
func (m *model) find(a *activity, sum string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for place := len(a.versions) - 1; place >= 0; place-- {
		if a.versions[place].sum.String() == sum {
			return place
		}
	}
	return -1
}

// size returns the size of a version's bundle in bytes.
func (m *model) size(a *activity, place int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return a.versions[place].size
}

// imports returns a copy of what was acknowledged, oldest first.
func (m *model) imports() []Import {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Import(nil), m.acked...)
}

// known returns an aim at an acknowledged activity, without what an answer may hold.
func (m *model) known(id int64) aim {
	m.mu.Lock()
	defer m.mu.Unlock()
	return aim{act: m.byID[id], id: id}
}
