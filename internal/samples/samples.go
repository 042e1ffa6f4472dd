// Package samples fills a catalog with the sample activities that this module brings along.
package samples

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/examples/activities"
	"github.com/sugarlabs/beamrider/internal/collectionfile"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

// Store is what sample activities need besides being imported.
type Store interface {
	Activities(ctx context.Context, q remora.ActivityQuery, yield func(remora.Activity) error) error
	EditActivity(ctx context.Context, by remora.Actor, activityID int64, e remora.ActivityEdit) error
	PutCollection(ctx context.Context, by remora.Actor, c remora.Collection) (int64, error)
}

// Take imports the sample activities, and makes a collection of them. It may be repeated.
func Take(ctx context.Context, im *intake.Importer, store Store, log *slog.Logger) (err error) {
	dir, err := os.MkdirTemp("", "beamrider-samples-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, activities.FS()); err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(dir, "index.csv"))
	if err != nil {
		return err
	}
	index, err := intake.ReadIndex(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	by := remora.Actor{UserID: remora.SystemUser, Reason: "samples"}
	report, err := im.Batch(ctx, by, []string{dir}, index.Facts, nil)
	if err != nil {
		return err
	}
	if len(report.Refused) > 0 {
		return fmt.Errorf("a sample activity was refused: %s", report.Refused[0].Message)
	}
	if report.New > 0 {
		if err := describe(ctx, store, by); err != nil {
			return err
		}
	}
	list, err := collectionfile.Read(filepath.Join(dir, "classroom.toml"))
	if err != nil {
		return err
	}
	if _, err := store.PutCollection(ctx, by, list); err != nil {
		return err
	}
	log.Info("the sample activities are in the catalog", "new", report.New, "there already", report.Existing)
	return nil
}

// described are the samples of which is said what no bundle can say, so that pages have some that show
// it and some that do not.
var described = []string{"org.sugarlabs.samples.StarCounter", "org.sugarlabs.samples.PaperBoats"}

// describe says who made samples, and that they work offline, where nobody has said anything yet.
func describe(ctx context.Context, store Store, by remora.Actor) error {
	for _, bundleID := range described {
		var found remora.Activity
		err := store.Activities(ctx, remora.ActivityQuery{Ref: bundleID}, func(a remora.Activity) error {
			found = a
			return nil
		})
		if err != nil {
			return err
		}
		if len(found.Authors) > 0 || found.Network != remora.NetworkUnknown {
			continue
		}
		offline := remora.NetworkNone
		if err := store.EditActivity(ctx, by, found.ID, remora.ActivityEdit{Authors: &[]string{"Beamrider developers"}, Network: &offline}); err != nil {
			return err
		}
	}
	return nil
}
