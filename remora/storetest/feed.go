package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sugarlabs/beamrider/remora"
)

// A follower keeps what a reader knows by Load once and Since ever after.
type follower struct {
	at         remora.Position
	activities map[int64]remora.Activity
}

func (s *suite) follow() *follower {
	s.Helper()
	list, h := s.load()
	f := &follower{h.Position, map[int64]remora.Activity{}}
	for _, a := range list {
		f.activities[a.ID] = a
	}
	return f
}

func (f *follower) take(ctx context.Context, feed remora.Feed) error {
	d, err := feed.Since(ctx, f.at)
	if err != nil {
		return err
	}
	if d.Epoch != f.at.Epoch || d.Seq < f.at.Seq {
		return fmt.Errorf("the feed goes from %v to %v", f.at, d.Position)
	}
	if d.Seq == f.at.Seq && len(d.Activities)+len(d.Gone) > 0 {
		return errors.New("something changed, but not the position")
	}
	for _, id := range d.Gone {
		delete(f.activities, id)
	}
	for _, a := range d.Activities {
		if old, known := f.activities[a.ID]; known && a.Revision < old.Revision {
			return fmt.Errorf("activity %d goes back from revision %d to %d", a.ID, old.Revision, a.Revision)
		}
		f.activities[a.ID] = a
	}
	f.at = d.Position
	return nil
}

func (f *follower) list() []remora.Activity {
	list := make([]remora.Activity, 0, len(f.activities))
	for _, a := range f.activities {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b remora.Activity) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// agrees checks that who followed knows what one who loads everything is told.
func (s *suite) agrees(f *follower) {
	s.Helper()
	s.must(f.take(s.Context(), s.Store))
	list, h := s.load()
	if h.Position != f.at {
		s.Errorf("the follower is at %v, the store at %v", f.at, h.Position)
	}
	s.diff("what the feed made of it", list, f.list())
}

func testSince(s *suite) {
	ctx := s.Context()
	f := s.follow()
	var seqs []int64
	step := func(err error) {
		s.Helper()
		s.must(err)
		s.agrees(f)
		seqs = append(seqs, f.at.Seq)
	}
	st := s.publish(bundle("org.laptop.Log", "1", ""))
	step(nil)
	s.draft(bundle("org.laptop.Log", "2", ""))
	step(nil)
	step(s.EditActivity(ctx, by, st.ActivityID, remora.ActivityEdit{Texts: []remora.TextEdit{{Field: "summary", Locale: "en", Value: "x"}}}))
	step(s.EditVersion(ctx, by, st.VersionID, remora.VersionEdit{Channel: ptr(remora.ChannelExperimental)}))
	step(s.EditVersion(ctx, by, st.VersionID, remora.VersionEdit{State: ptr(remora.StateDisabled)}))
	if len(f.activities) != 0 {
		s.Error("an activity without an offered version stays")
	}
	step(s.EditVersion(ctx, by, st.VersionID, remora.VersionEdit{State: ptr(remora.StatePublished)}))
	_, err := s.PutCollection(ctx, by, remora.Collection{Nickname: "c", Items: []remora.CollectionItem{{BundleID: "org.laptop.Log"}}})
	step(err)
	for i := 1; i < len(seqs); i++ {
		if seqs[i] <= seqs[i-1] {
			s.Errorf("the feed does not move with every write: %v", seqs)
		}
	}
	// One who comes late learns all at once, from any point on the way.
	for _, seq := range append(seqs, 0) {
		late := &follower{remora.Position{Epoch: f.at.Epoch, Seq: seq}, map[int64]remora.Activity{}}
		s.must(late.take(ctx, s.Store))
		if late.at != f.at {
			s.Errorf("from %d on the feed leads to %v, not %v", seq, late.at, f.at)
		}
		if seq == 0 {
			s.diff("from the beginning on", f.list(), late.list())
		}
	}
	d := s.since(f.at)
	if len(d.Categories)+len(d.Collections) != 0 {
		s.Errorf("nothing happened, but the Delta holds %+v", d)
	}
}

func testGap(s *suite) {
	ctx := s.Context()
	s.publish(bundle("org.laptop.Log", "1", ""))
	at := s.position()
	gap := func(what string, after remora.Position) {
		s.Helper()
		if _, err := s.Since(ctx, after); err == nil || !errors.Is(err, remora.ErrGap) {
			s.Errorf("Since %s: %v", what, err)
		}
	}
	gap("another epoch", remora.Position{Epoch: at.Epoch + "x", Seq: at.Seq})
	gap("no epoch", remora.Position{Seq: at.Seq})
	if d := s.since(remora.Position{Epoch: at.Epoch, Seq: at.Seq + 1}); d.Position != at || len(d.Activities)+len(d.Gone) > 0 {
		s.Errorf("Since the future: %+v, want the present position %v alone", d, at)
	}
	gap("before the beginning", remora.Position{Epoch: at.Epoch, Seq: -1})
	if p, ok := s.Store.(interface {
		Prune(context.Context, remora.Time) error
	}); ok {
		old := at
		s.must(p.Prune(ctx, 1)) // nothing is that old
		s.since(remora.Position{Epoch: at.Epoch})
		s.publish(bundle("org.laptop.Log", "2", ""))
		at = s.position()
		s.must(p.Prune(ctx, remora.TimeOf(time.Now().Add(time.Hour))))
		if now := s.position(); now != at {
			s.Errorf("pruning moves the feed from %v to %v", at, now)
		}
		gap("what was pruned", old)
		s.since(at) // the present is always known
		f := s.follow()
		s.publish(bundle("org.laptop.Log", "3", ""))
		s.agrees(f)
	}
	if e, ok := s.Store.(interface{ NewEpoch(context.Context) error }); ok {
		at := s.position()
		s.must(e.NewEpoch(ctx))
		gap("the epoch before", at)
		if now := s.position(); now.Epoch == at.Epoch || now.Epoch == "" {
			s.Errorf("the new epoch is %q, the one before %q", now.Epoch, at.Epoch)
		}
	}
}

func testReaderErrors(s *suite) {
	for i := range 5 {
		s.publish(bundle(fmt.Sprintf("org.laptop.A%d", i), "1", ""))
	}
	stop := errors.New("stop")
	n := 0
	if _, err := s.Load(s.Context(), func(remora.Activity) error {
		n++
		if n == 3 {
			return stop
		}
		return nil
	}); err != stop || n != 3 {
		s.Errorf("an error of add after %d calls: %v", n, err)
	}
	n = 0
	if err := s.Audit(s.Context(), func(remora.AuditEntry) error { n++; return stop }); err != stop || n != 1 {
		s.Errorf("an error of yield after %d calls: %v", n, err)
	}
	// A reader may ask the store while it is being told.
	_, err := s.Load(s.Context(), func(remora.Activity) error {
		_, err := s.Downloads(s.Context())
		return err
	})
	s.must(err)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, err = s.Load(ctx, func(remora.Activity) error { return nil })
	if !errors.Is(err, context.Canceled) {
		s.Errorf("Load with a context that has ended: %v", err)
	}
	sub := bundle("org.laptop.Late", "1", "")
	s.stage(sub)
	s.unchanged("a write with a context that has ended", func() {
		if _, err := s.Draft(ctx, by, sub); !errors.Is(err, context.Canceled) {
			s.Errorf("Draft with a context that has ended: %v", err)
		}
	})
}

func testAudit(s *suite) {
	ctx := s.Context()
	who := remora.Actor{UserID: 100077, Reason: "because 𝒳 \"said\" so"}
	sub := bundle("org.laptop.Log", "1", "")
	s.stage(sub)
	st, err := s.Draft(ctx, who, sub)
	s.must(err)
	s.must(s.Publish(ctx, who, st.VersionID, remora.StatePublished, sub))
	s.must(s.EditVersion(ctx, who, st.VersionID, remora.VersionEdit{State: ptr(remora.StateDisabled)}))
	s.must(s.EditVersion(ctx, who, st.VersionID, remora.VersionEdit{State: ptr(remora.StatePublished)}))
	s.must(s.EditActivity(ctx, who, st.ActivityID, remora.ActivityEdit{FeaturedRank: ptr(1)}))
	s.must(s.EditActivity(ctx, who, st.ActivityID, remora.ActivityEdit{State: ptr(remora.ActivityDisabled)}))
	id, err := s.PutCollection(ctx, who, remora.Collection{Nickname: "c"})
	s.must(err)
	version, activity := fmt.Sprintf("version %d", st.VersionID), fmt.Sprintf("activity %d", st.ActivityID)
	var want []remora.AuditEntry
	for _, e := range [][2]string{
		{"version.draft", version}, {"version.publish", version}, {"version.hide", version}, {"version.publish", version},
		{"activity.edit", activity}, {"activity.hide", activity}, {"collection.put", fmt.Sprintf("collection %d", id)},
	} {
		want = append(want, remora.AuditEntry{ActorID: who.UserID, Action: e[0], Target: e[1], Reason: who.Reason})
	}
	got := s.audit()
	s.diff("the log", want, got, cmpopts.IgnoreFields(remora.AuditEntry{}, "ID", "At", "Data", "Sum"))
	sums := map[remora.Digest]bool{}
	for i, e := range got {
		if e.At <= 0 || e.Sum.IsZero() || sums[e.Sum] || i > 0 && e.ID <= got[i-1].ID {
			s.Errorf("line %d is %+v", i, e)
		}
		sums[e.Sum] = true
	}
}

// testWriters lets several write at once while readers poll: what a reader has seen number n of, it
// has seen completely, or it would lose changes for ever.
func testWriters(s *suite) {
	const writers, rounds = 4, 12
	ctx := s.Context()
	start := s.follow()
	var write, read sync.WaitGroup
	errs := make(chan error, 100)
	done := make(chan struct{})
	for w := range writers {
		write.Go(func() {
			for r := range rounds {
				// Two activities are everybody's, so that writers meet.
				id := fmt.Sprintf("org.laptop.W%d", w)
				if r%3 == 0 {
					id = fmt.Sprintf("org.laptop.Shared%d", r%2)
				}
				sub := bundle(id, fmt.Sprintf("%d.%d", w+1, r+1), "")
				if err := s.submit(ctx, sub); err != nil {
					errs <- fmt.Errorf("writer %d, round %d: %w", w, r, err)
					return
				}
			}
		})
	}
	followers := make([]*follower, 2)
	for i := range followers {
		f := &follower{start.at, map[int64]remora.Activity{}}
		followers[i] = f
		read.Go(func() {
			for {
				if err := f.take(ctx, s.Store); err != nil {
					errs <- err
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	write.Wait()
	close(done)
	read.Wait()
	close(errs)
	for err := range errs {
		s.Error(err)
	}
	versions := 0
	for _, f := range followers {
		s.agrees(f)
		versions = 0
		for _, a := range f.activities {
			versions += len(a.Versions)
		}
	}
	if versions != writers*rounds {
		s.Errorf("readers know %d versions, %d were published", versions, writers*rounds)
	}
}

func (s *suite) submit(ctx context.Context, sub *remora.Submission) error {
	if err := s.Stage(ctx, sub.SHA256, sub.Size, "application/vnd.olpc-sugar"); err != nil {
		return err
	}
	st, err := s.Draft(ctx, by, sub)
	if err != nil {
		return err
	}
	return s.Publish(ctx, by, st.VersionID, remora.StatePublished, sub)
}

// testSameAtOnce lets many submit the very same bundle: it gets in once.
func testSameAtOnce(s *suite) {
	const many = 6
	sub := bundle("org.laptop.Log", "1", "")
	var wg sync.WaitGroup
	results := make([]remora.Stored, many)
	errs := make([]error, many)
	for i := range many {
		wg.Go(func() {
			if errs[i] = s.Stage(s.Context(), sub.SHA256, sub.Size, "x"); errs[i] != nil {
				return
			}
			if results[i], errs[i] = s.Draft(s.Context(), by, sub); errs[i] != nil {
				return
			}
			errs[i] = s.Publish(s.Context(), by, results[i].VersionID, remora.StatePublished, sub)
		})
	}
	wg.Wait()
	made := 0
	for i, st := range results {
		s.must(errs[i])
		if st.VersionID != results[0].VersionID || st.ActivityID != results[0].ActivityID {
			s.Errorf("the same bundle is %+v and %+v", results[0], st)
		}
		if !st.Existing {
			made++
		}
	}
	if made != 1 {
		s.Errorf("%d calls say that they made the version", made)
	}
	if n := len(s.audit()); n != 2 {
		s.Errorf("the audit log has %d lines, want a draft and a publication", n)
	}
}
