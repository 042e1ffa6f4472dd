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

func ExampleStore_Scrub() {
	dir, err := os.MkdirTemp("", "nfsstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store, err := nfsstore.Open(ctx, dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	bundle := []byte("the bytes of a bundle")
	sum := sha256.Sum256(bundle)
	for _, name := range []string{"files/1/dance-2.xo", "files/1/dance-3.xo"} {
		if err := store.Put(ctx, name, bytes.NewReader(bundle), int64(len(bundle)), sum[:]); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.Truncate(dir+"/files/1/dance-3.xo", 10); err != nil { // a disk loses some bytes
		log.Fatal(err)
	}

	// What should be there is known to a database, say.
	expected := func(yield func(nfsstore.Expected, error) bool) {
		for info, err := range store.List(ctx, "files") {
			if !yield(nfsstore.Expected{Name: info.Name, Size: int64(len(bundle)), SHA256: sum[:]}, err) {
				return
			}
		}
	}
	stats, err := store.Scrub(ctx, &nfsstore.ScrubOptions{
		Expected: expected,
		Found: func(p nfsstore.Problem) error {
			fmt.Println(p)
			e := nfsstore.Expected{Name: p.Name, Size: p.WantSize, SHA256: p.Want}
			return store.Repair(ctx, e, bytes.NewReader(bundle)) // from a mirror, say
		},
	})
	fmt.Printf("%d files, %d problems, %v\n", stats.Files, stats.Problems, err)
	stats, err = store.Scrub(ctx, &nfsstore.ScrubOptions{Expected: expected})
	fmt.Printf("%d files, %d problems, %v\n", stats.Files, stats.Problems, err)
	// Output:
	// files/1/dance-3.xo is damaged: it has 10 bytes where it should have 21
	// 2 files, 1 problems, <nil>
	// 2 files, 0 problems, <nil>
}

func ExampleStore_List() {
	ctx := context.Background()
	store, err := nfsstore.Open(ctx, "mem:", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	for _, name := range []string{"files/2/maze-7.xo", "files/1/dance-3.xo", "icons/dance"} {
		if err := store.Put(ctx, name, bytes.NewReader([]byte(name)), int64(len(name)), nil); err != nil {
			log.Fatal(err)
		}
	}
	for info, err := range store.List(ctx, "files") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Name, info.Size)
	}
	b, err := fs.ReadFile(store.FS(ctx), "icons/dance")
	fmt.Printf("%s %v\n", b, err)
	// Output:
	// files/1/dance-3.xo 18
	// files/2/maze-7.xo 17
	// icons/dance <nil>
}

func ExampleProbe() {
	dir, err := os.MkdirTemp("", "nfsstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	report, err := nfsstore.Probe(context.Background(), dir)
	if err != nil {
		log.Fatal(err)
	}
	for _, trial := range report.Trials {
		if trial.Err != nil {
			fmt.Println(trial.What, trial.Err)
		}
	}
	fmt.Println(report.Kind, report.Caps.Names)
	// Output:
	// directory sync
}
