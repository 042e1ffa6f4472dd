package dirvol_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/dirvol"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "dirvol")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	v, err := dirvol.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Caps().Names) // how names are made safe here
	store, err := nfsstore.New(v, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close() // and with it the volume
	fmt.Println(store.Remove(context.Background(), "absent"))
	// Output:
	// sync
	// nfsstore: remove absent: there is no such file
}
