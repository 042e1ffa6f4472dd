package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

var by = remora.Actor{UserID: remora.SystemUser, Reason: "test"}

func bundle(id, number string) *remora.Submission {
	return &remora.Submission{
		BundleID: id, Number: remora.MustNumber(number), DefaultLocale: "en",
		Name:    remora.NewText(map[string]string{"en": id, "es": "es " + id}),
		Summary: remora.PlainText("en", "About "+id), Notes: remora.PlainText("en", "New in "+number),
		Tags: []string{"one", "two"}, Size: 1000, SHA256: sha256.Sum256(fmt.Append(nil, id, " ", number)),
		Icon: sha256.Sum256([]byte(id)), IconSize: 300, Report: []byte("report of " + number),
	}
}

func draft(ctx context.Context, s *sqlstore.Store, sub *remora.Submission) (remora.Stored, error) {
	if err := s.Stage(ctx, sub.SHA256, sub.Size, "application/vnd.olpc-sugar"); err != nil {
		return remora.Stored{}, err
	}
	return s.Draft(ctx, by, sub)
}

func publish(ctx context.Context, s *sqlstore.Store, sub *remora.Submission) (remora.Stored, error) {
	st, err := draft(ctx, s, sub)
	if err != nil {
		return st, err
	}
	return st, s.Publish(ctx, by, st.VersionID, remora.StatePublished, sub)
}

func mustPublish(t testing.TB, s *sqlstore.Store, id, number string) remora.Stored {
	t.Helper()
	st, err := publish(t.Context(), s, bundle(id, number))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// all returns what readers are told, by version id.
func all(t testing.TB, s *sqlstore.Store) (versions map[int64]remora.Version, h remora.Header) {
	t.Helper()
	versions = map[int64]remora.Version{}
	h, err := s.Load(t.Context(), func(a remora.Activity) error {
		for _, v := range a.Versions {
			versions[v.ID] = v
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return versions, h
}

func mustExec(t testing.TB, d *database, query string, args ...any) {
	t.Helper()
	if _, err := d.Write(t.Context()).ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// screenshot returns an image whose bytes are staged.
func screenshot(t testing.TB, s *sqlstore.Store, n int) remora.Image {
	t.Helper()
	m := remora.Image{SHA256: sha256.Sum256(fmt.Append(nil, "image ", n)), Media: "image/png", Size: int64(100 + n), Width: 640, Height: 480}
	if err := s.Stage(t.Context(), m.SHA256, m.Size, m.Media); err != nil {
		t.Fatal(err)
	}
	return m
}
