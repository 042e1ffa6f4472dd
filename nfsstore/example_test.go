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
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "nfsstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	store, err := nfsstore.Open(ctx, "file://"+dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

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

// A store on a volume in memory, as a test may want it.
func ExampleNew() {
	ctx := context.Background()
	store, err := nfsstore.New(memvol.New(&memvol.Options{Bytes: 1000}), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	fmt.Println(store.Put(ctx, "small", bytes.NewReader(make([]byte, 10)), 10, nil))
	fmt.Println(errors.Is(store.Put(ctx, "large", bytes.NewReader(make([]byte, 2000)), 2000, nil), nfsstore.ErrNoSpace))
	// Output:
	// <nil>
	// true
}

func ExampleMirror() {
	base, err := os.MkdirTemp("", "nfsstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(base)
	ctx := context.Background()
	// The source may as well be an export of another machine: nfs://beamrider/export/files.
	src, err := nfsstore.Open(ctx, "file://"+base+"/beamrider", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()
	dst, err := nfsstore.Open(ctx, "file://"+base+"/mirror", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer dst.Close()

	const name = "public/files/100001/dance-3.xo"
	bundle := []byte("the bytes of a bundle")
	sum := sha256.Sum256(bundle)
	if err := src.Put(ctx, name, bytes.NewReader(bundle), int64(len(bundle)), sum[:]); err != nil {
		log.Fatal(err)
	}

	changes := make(chan nfsstore.Change, 2)
	changes <- nfsstore.Change{Name: name, Size: int64(len(bundle)), SHA256: sum[:]}
	changes <- nfsstore.Change{Name: "public/files/100001/dance-2.xo", Gone: true}
	close(changes) // a mirror that follows leaves it open and ends with its context
	var stats nfsstore.MirrorStats
	err = nfsstore.Mirror(ctx, dst, src, changes, &nfsstore.MirrorOptions{
		Progress: func(s nfsstore.MirrorStats) { stats = s },
	})
	fmt.Printf("%d copied, %d removed, %v\n", stats.Copied, stats.Removed, err)
	// Output:
	// 1 copied, 1 removed, <nil>
}
