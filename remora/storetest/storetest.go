package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sugarlabs/beamrider/remora"
)

// Run tests the stores that open returns. Each must be empty but for the categories, and is open's
// to close when its test ends. Tests that only look at one activity share a store.
func Run(t *testing.T, open func(t *testing.T) remora.Store) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"Empty", testEmpty},
		{"DraftIsInvisible", testDraft},
		{"PublishShowsEverything", testPublish},
		{"DoneAgain", testDoneAgain},
		{"RefusedDrafts", testRefusedDrafts},
		{"InvalidSubmissions", testInvalid},
		{"WantedNumbers", testWantedNumbers},
		{"BundleIDsWithoutCase", testBundleCase},
		{"HighestSpeaks", testHighest},
		{"OwnerWins", testOwner},
		{"Transitions", testTransitions},
		{"EditVersion", testEditVersion},
		{"EditActivity", testEditActivity},
		{"Authors", testAuthors},
		{"Network", testNetwork},
		{"Screenshots", testScreenshots},
		{"ScreenshotBytes", testScreenshotBytes},
		{"ActivityStates", testActivityStates},
		{"Unknown", testUnknown},
		{"Activities", testActivities},
		{"Collections", testCollections},
		{"ExactText", testExactText},
		{"Withdrawn", testWithdrawn},
		{"Orphans", testOrphans},
		{"Downloads", testDownloads},
		{"Statistics", testStatistics},
		{"Reports", testReports},
		{"Since", testSince},
		{"Gap", testGap},
		{"ReaderErrors", testReaderErrors},
		{"Audit", testAudit},
		{"WriteMode", testWriteMode},
		{"WritersAndReader", testWriters},
		{"SameAtOnce", testSameAtOnce},
		{"Model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{T: t, Store: open(t)}
			c.test(s)
			s.verify()
		})
	}
}

// A suite is one test and the store it has alone.
type suite struct {
	*testing.T
	remora.Store
}

// Context returns the context of a call of the store. A store that needs something in it, as one on
// several servers that must know whose reads are to see which writes, says so by a method Attach.
func (s *suite) Context() context.Context {
	if a, ok := s.Store.(interface {
		Attach(context.Context) context.Context
	}); ok {
		return a.Attach(s.T.Context())
	}
	return s.T.Context()
}

// by is the actor of most tests.
var by = remora.Actor{UserID: remora.SystemUser, Reason: "test"}

// verify lets a store that can check itself do so.
func (s *suite) verify() {
	s.Helper()
	if v, ok := s.Store.(interface{ Verify(context.Context) error }); ok {
		if err := v.Verify(s.Context()); err != nil {
			s.Errorf("after the test the store is not whole: %v", err)
		}
	}
}

// bundle returns a submission of the bundle id and number. Its bytes are a function of content too.
func bundle(id, number, content string) *remora.Submission {
	return &remora.Submission{
		BundleID: id, Number: remora.MustNumber(number),
		Name: remora.PlainText("en", "Name of "+id), DefaultLocale: "en",
		Interpreter: remora.InterpreterPython3, Range: remora.InferRange(remora.InterpreterPython3),
		Size: 1000, SHA256: sha256.Sum256(fmt.Append(nil, id, " ", number, " ", content)),
	}
}

func (s *suite) stage(sub *remora.Submission) {
	s.Helper()
	s.must(s.Stage(s.Context(), sub.SHA256, sub.Size, "application/vnd.olpc-sugar"))
}

func (s *suite) draft(sub *remora.Submission) remora.Stored {
	s.Helper()
	s.stage(sub)
	stored, err := s.Draft(s.Context(), by, sub)
	s.must(err)
	return stored
}

func (s *suite) publish(sub *remora.Submission) remora.Stored {
	s.Helper()
	stored := s.draft(sub)
	s.must(s.Publish(s.Context(), by, stored.VersionID, remora.StatePublished, sub))
	return stored
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// refused checks that err has the kind, and the code unless that is "", and says something.
func (s *suite) refused(err error, kind remora.Kind, code string) {
	s.Helper()
	e, ok := errors.AsType[*remora.Error](err)
	if !ok || !errors.Is(err, &remora.Error{Kind: kind, Code: code}) {
		s.Errorf("the error is %v; want kind %s, code %q", err, kind, code)
		return
	}
	if e.Message == "" || e.Op == "" {
		s.Errorf("the error %#v lacks a sentence or its Op", e)
	}
}

// load returns everything that readers are told.
func (s *suite) load() (list []remora.Activity, h remora.Header) {
	s.Helper()
	h, err := s.Load(s.Context(), func(a remora.Activity) error {
		list = append(list, a)
		return nil
	})
	s.must(err)
	if !slices.IsSortedFunc(list, func(a, b remora.Activity) int { return int(a.ID - b.ID) }) {
		s.Error("Load does not go by id")
	}
	return list, h
}

func (s *suite) position() remora.Position {
	s.Helper()
	_, h := s.load()
	return h.Position
}

// visible returns the activity as readers see it, nil if they do not.
func (s *suite) visible(id int64) *remora.Activity {
	s.Helper()
	list, _ := s.load()
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}

// stored returns the activity with all its versions.
func (s *suite) stored(id int64) (found remora.Activity) {
	s.Helper()
	s.must(s.Activities(s.Context(), remora.ActivityQuery{Ref: fmt.Sprint(id)}, func(a remora.Activity) error {
		found = a
		return nil
	}))
	if found.ID != id {
		s.Fatalf("there is no activity %d", id)
	}
	return found
}

func (s *suite) since(after remora.Position) remora.Delta {
	s.Helper()
	d, err := s.Since(s.Context(), after)
	s.must(err)
	return d
}

// unchanged checks that f moves neither the feed nor the audit log.
func (s *suite) unchanged(what string, f func()) {
	s.Helper()
	before, lines := s.position(), len(s.audit())
	f()
	if after := s.position(); after != before {
		s.Errorf("%s moves the feed from %v to %v", what, before, after)
	}
	if n := len(s.audit()); n != lines {
		s.Errorf("%s writes %d lines to the audit log", what, n-lines)
	}
}

func (s *suite) audit() (list []remora.AuditEntry) {
	s.Helper()
	s.must(s.Audit(s.Context(), func(e remora.AuditEntry) error {
		list = append(list, e)
		return nil
	}))
	return list
}

func (s *suite) diff(what string, want, got any, options ...cmp.Option) {
	s.Helper()
	if d := cmp.Diff(want, got, append(options, equalNumbers, cmpopts.EquateEmpty())...); d != "" {
		s.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// equalNumbers compares numbers as written.
var equalNumbers = cmp.Comparer(func(a, b remora.Number) bool { return a == b })

func ptr[T any](v T) *T { return &v }
