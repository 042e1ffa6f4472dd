package intake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// library calls use with an empty catalog, a folder of files, and the folder of an activity.
func library(use func(ctx context.Context, store *sqlstore.Store, files remora.Files, maze string) error) (err error) {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx := context.Background()
	conns, err := sqlstore.OpenSQLite(filepath.Join(dir, "catalog.sqlite"), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conns.Close()) }()
	if err := sqlstore.Migrate(ctx, conns, sqlstore.SQLite); err != nil {
		return err
	}
	store, err := sqlstore.New(conns, sqlstore.SQLite, nil)
	if err != nil {
		return err
	}
	maze := filepath.Join(dir, "Maze.activity")
	if err := os.MkdirAll(filepath.Join(maze, "activity"), 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"activity.info": "[Activity]\nname = Maze\nbundle_id = org.example.Maze\nexec = sugar-activity3 maze.Maze\nactivity_version = 7\nicon = maze\nlicense = GPLv3+\n",
		"maze.svg":      `<!DOCTYPE svg [<!ENTITY fill_color "#fff">]><svg width="55"><rect width="45" fill="&fill_color;"/></svg>`,
	} {
		if err := os.WriteFile(filepath.Join(maze, "activity", name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return use(ctx, store, &disk{root}, maze)
}

func ExampleNew() {
	err := library(func(ctx context.Context, store *sqlstore.Store, files remora.Files, maze string) error {
		importer, err := intake.New(store, files, nil)
		if err != nil {
			return err
		}
		by := remora.Actor{UserID: remora.SystemUser, Reason: "example"}
		for range 2 {
			result, err := importer.Import(ctx, by, maze, nil)
			if err != nil {
				return err
			}
			fmt.Println(result.Stored.PublicName(), result.Stored.State, result.Stored.Existing)
		}
		report, err := importer.Batch(ctx, by, []string{maze}, nil, nil)
		if err != nil {
			return err
		}
		fmt.Println(report.New, "new,", report.Existing, "there already,", len(report.Refused), "refused")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// public/files/100001/maze-7.xo published false
	// public/files/100001/maze-7.xo published true
	// 0 new, 1 there already, 0 refused
}

func ExampleNewShelf() {
	err := library(func(ctx context.Context, store *sqlstore.Store, files remora.Files, maze string) error {
		importer, err := intake.New(store, files, nil)
		if err != nil {
			return err
		}
		shelf, err := intake.NewShelf(store, files)
		if err != nil {
			return err
		}
		by := remora.Actor{UserID: remora.SystemUser, Reason: "example"}
		result, err := importer.Import(ctx, by, maze, nil)
		if err != nil {
			return err
		}
		public := func() {
			f, err := files.Open(ctx, result.Stored.PublicName())
			if err == nil {
				err = f.Close()
			}
			fmt.Println("public:", err == nil)
		}
		public()
		if err := shelf.HideActivity(ctx, by, result.Stored.ActivityID, false); err != nil {
			return err
		}
		public()
		// Now and then, and after a crash; bytes that nobody came to want are kept for a day.
		return shelf.Settle(ctx, remora.TimeOf(time.Now().Add(-24*time.Hour)))
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// public: true
	// public: false
}
