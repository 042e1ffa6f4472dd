package sugarhome_test

import (
	"fmt"
	"log"
	"os"

	"github.com/sugarlabs/beamrider/internal/sugarclient/sugarhome"
)

func ExampleNew() {
	dir, err := os.MkdirTemp("", "laptop-*")
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			log.Print(err)
		}
	}()
	laptop, err := sugarhome.New(dir)
	if err != nil {
		log.Fatal(err)
	}
	drum := sugarhome.Bundle{ID: "org.example.Drum", Name: "Drum", Version: "1"}
	if err := laptop.Install(drum); err != nil {
		log.Fatal(err)
	}
	fmt.Println(laptop.Version(drum))
	// Output: 1 <nil>
}
