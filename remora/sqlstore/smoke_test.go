package sqlstore

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	c, err := OpenSQLite(filepath.Join(t.TempDir(), "a b?#%.sqlite"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := New(c, SQLite, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Load(ctx, nil)
	t.Log(err)
	if err := Migrate(ctx, c, SQLite); err != nil {
		t.Fatal(err)
	}
	t.Log(Pending(ctx, c, SQLite))
	sub := &remora.Submission{BundleID: "org.laptop.Log", Name: remora.PlainText("en", "Log"), Number: remora.MustNumber("1"), SHA256: remora.Digest{1}, Size: 5, Tags: []string{"b", "a"}}
	if err := s.Stage(ctx, sub.SHA256, 5, "x"); err != nil {
		t.Fatal(err)
	}
	st, err := s.Draft(ctx, remora.Actor{UserID: 1}, sub)
	t.Logf("%+v %v", st, err)
	if err := s.Publish(ctx, remora.Actor{UserID: 1}, st.VersionID, remora.StatePublished, sub); err != nil {
		t.Fatal(err)
	}
	h, err := s.Load(ctx, func(a remora.Activity) error { t.Logf("%+v", a); return nil })
	t.Logf("%+v %v", h, err)
	t.Log(s.Verify(ctx))
	t.Log(s.Digest(ctx))
	t.Log(c.Backup(ctx, filepath.Join(t.TempDir(), "x")))
}
