package memvol_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sugarlabs/beamrider/nfsstore/memvol"
)

// What was not made safe goes with the power.
func ExampleNew() {
	ctx := context.Background()
	v := memvol.New(nil)
	defer v.Close()
	for _, name := range []string{"kept", "lost"} {
		w, err := v.Create(ctx, name)
		if err != nil {
			log.Fatal(err)
		}
		if err := w.Write(ctx, []byte("bytes")); err != nil {
			log.Fatal(err)
		}
		if err := w.Sync(ctx); err != nil {
			log.Fatal(err)
		}
		if err := w.Close(ctx); err != nil {
			log.Fatal(err)
		}
	}
	if err := v.Persist(ctx, "kept", true); err != nil {
		log.Fatal(err)
	}
	v.PowerLoss()
	for _, name := range []string{"kept", "lost"} {
		_, err := v.Stat(ctx, name)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// stat lost: no such file or directory
}
