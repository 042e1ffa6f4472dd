package nfsstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"

	"github.com/sugarlabs/beamrider/nfsstore"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "nfsstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	store, err := nfsstore.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	ctx := context.Background()
	bundle := []byte("the bytes of a bundle")
	sum := sha256.Sum256(bundle)
	name := fmt.Sprintf("uploads/%x", sum)
	if err := store.Put(ctx, name, bytes.NewReader(bundle), int64(len(bundle)), sum[:]); err != nil {
		log.Fatal(err)
	}
	if err := store.Link(ctx, name, "public/dance-3.xo"); err != nil {
		log.Fatal(err)
	}
	f, err := store.Open(ctx, "public/dance-3.xo")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	fmt.Printf("%s, %v\n", got, err)

	// What is there is never replaced.
	err = store.Put(ctx, "public/dance-3.xo", bytes.NewReader(nil), 0, nil)
	fmt.Println(errors.Is(err, fs.ErrExist))
	fmt.Println(nfsstore.CheckName("../etc/passwd"))
	// Output:
	// the bytes of a bundle, <nil>
	// true
	// nfsstore: name ../etc/passwd: the element ".." begins with a dot
}
