package faultvol_test

import (
	"context"
	"fmt"
	"log"
	"syscall"

	"github.com/sugarlabs/beamrider/nfsstore/faultvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
)

// The reply to the first link is lost: it is done, and nobody knows.
func ExampleNew() {
	ctx := context.Background()
	v := faultvol.New(memvol.New(nil), func(op faultvol.Op) faultvol.Fault {
		fmt.Println(op)
		if op.Verb == "link" {
			return faultvol.Fault{Err: syscall.EIO, Done: true}
		}
		return faultvol.Fault{}
	})
	defer v.Close()
	w, err := v.Create(ctx, "a")
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Close(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Link(ctx, "a", "b"))
	_, err = v.Stat(ctx, "b")
	fmt.Println(err)
	// Output:
	// create a
	// close a
	// link a → b
	// input/output error
	// stat b
	// <nil>
}
