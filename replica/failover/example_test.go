package failover_test

import (
	"fmt"

	"github.com/sugarlabs/beamrider/replica/failover"
	"github.com/sugarlabs/beamrider/replica/promote"
)

func ExampleNew() {
	c := failover.Config{
		Promote: promote.Config{
			Mode: promote.Strict, ReplicationUser: "copier", ReplicationPassword: "secret",
			Nodes: []promote.Node{
				{Name: "beamrider", DSN: "promoter:secret@tcp(192.0.2.1:3306)/"},
				{Name: "second", DSN: "promoter:secret@tcp(192.0.2.2:3306)/"},
			},
		},
		Automatic: true,
		Folder:    "/var/lib/remora",
	}
	_, err := failover.New(c)
	fmt.Println(err)
	// A third, small server completes the majority; it is never made the primary.
	c.Promote.Nodes = append(c.Promote.Nodes, promote.Node{Name: "sunjammer", DSN: "promoter:secret@tcp(192.0.2.3:3306)/", NoPrimary: true})
	g, err := failover.New(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	// A program calls go g.Run(ctx) here.
	fmt.Println(g.Status().Held)
	// Output:
	// failover: Automatic needs at least three voters, and there are 2: two cannot tell a lost server from a cut network; promote by hand, or add a server or a monitor on another machine
	// This guard has not seen yet which server is the primary.
}
