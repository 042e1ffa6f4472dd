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

// Store makes collections.
type Store interface {
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
