package nfs3vol_test

import (
	"fmt"
	"log"
	"net/url"

	"github.com/sugarlabs/beamrider/nfsstore/nfs3vol"
)

// A volume looks for its server at the first call; before that, only mistakes are errors.
func ExampleNew() {
	u, err := url.Parse("nfs://10.0.0.5:2049/srv/remora?mountport=2049&names=server")
	if err != nil {
		log.Fatal(err)
	}
	c, err := nfs3vol.ParseURL(u)
	if err != nil {
		log.Fatal(err)
	}
	v, err := nfs3vol.New(c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v, v.Caps().Names)
	fmt.Println(v.Close())

	_, err = nfs3vol.New(nfs3vol.Config{Host: "192.0.2.7", Export: "/srv/remora"})
	fmt.Println(err)
	// Output:
	// nfs://10.0.0.5:2049/srv/remora server
	// <nil>
	// the address 192.0.2.7 of the NFS server is public; NFS believes everybody who can reach it, so use it on a private network or through a tunnel (such as WireGuard) only (invalid argument)
}
