package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

func ExampleOpenSQLite() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	conns, err := sqlstore.OpenSQLite(filepath.Join(dir, "catalog.sqlite"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conns.Close()
	if err := sqlstore.Migrate(ctx, conns, sqlstore.SQLite); err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.New(conns, sqlstore.SQLite, nil)
	if err != nil {
		log.Fatal(err)
	}

	sub := &remora.Submission{
		BundleID: "org.laptop.Log", Number: remora.MustNumber("41"), Name: remora.PlainText("en", "Log"),
		Size: 4, SHA256: sha256.Sum256([]byte("a zip")),
	}
	by := remora.Actor{UserID: remora.SystemUser, Reason: "example"}
	if err := store.Stage(ctx, sub.SHA256, sub.Size, "application/vnd.olpc-sugar"); err != nil {
		log.Fatal(err)
	}
	stored, err := store.Draft(ctx, by, sub)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stored.PublicName())
	if err := store.Publish(ctx, by, stored.VersionID, remora.StatePublished, sub); err != nil {
		log.Fatal(err)
	}
	header, err := store.Load(ctx, func(a remora.Activity) error {
		fmt.Println(a.ID, a.BundleID, a.Versions[0].Number, a.Versions[0].State)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("change", header.Seq)
	// Output:
	// public/files/100001/log-41.xo
	// 100001 org.laptop.Log 41 published
	// change 2
}

func ExampleOpenMariaDB() {
	// Nothing is connected yet: a server that is away is a state of the calls.
	conns, err := sqlstore.OpenMariaDB("remora:secret@tcp(127.0.0.1:1)/remora", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conns.Close()
	store, err := sqlstore.New(conns, sqlstore.MariaDB, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = store.Position(context.Background())
	fmt.Println(remora.KindOf(err), remora.MessageOf(err))
	// Output:
	// unavailable The database does not answer. Check that it runs and can be reached, then try again in a minute.
}

func ExampleNew() {
	_, err := sqlstore.New(nil, sqlstore.SQLite, nil)
	fmt.Println(err)
	// Output:
	// sqlstore: conns are required
}
