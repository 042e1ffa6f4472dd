package nfsstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"log"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// A mirror that was away for a month is brought up to date: it gets what it lacks, and loses what was
// withdrawn meanwhile.
func ExampleMirror_reconcile() {
	ctx := context.Background()
	open := func() *nfsstore.Store {
		s, err := nfsstore.Open(ctx, "mem:", nil)
		if err != nil {
			log.Fatal(err)
		}
		return s
	}
	src, dst := open(), open()
	defer src.Close()
	defer dst.Close()
	put := func(s *nfsstore.Store, name, text string) nfsstore.Change {
		sum := sha256.Sum256([]byte(text))
		if err := s.Put(ctx, name, bytes.NewReader([]byte(text)), int64(len(text)), sum[:]); err != nil {
			log.Fatal(err)
		}
		return nfsstore.Change{Name: name, Size: int64(len(text)), SHA256: sum[:]}
	}
	put(dst, "public/dance-1.xo", "an old bundle")
	offered := []nfsstore.Change{put(src, "public/dance-2.xo", "a new bundle")}

	none := make(chan nfsstore.Change)
	close(none) // so that Mirror ends when all is done
	err := nfsstore.Mirror(ctx, dst, src, none, &nfsstore.MirrorOptions{
		Bandwidth: 1 << 20, // bytes a second
		Within:    []string{"public"},
		Reconcile: func(context.Context) iter.Seq2[nfsstore.Change, error] {
			return func(yield func(nfsstore.Change, error) bool) {
				for _, c := range offered {
					if !yield(c, nil) {
						return
					}
				}
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for info, err := range dst.List(ctx, "") {
		fmt.Println(info.Name, info.Size, err)
	}
	// Output:
	// public/dance-2.xo 12 <nil>
}
