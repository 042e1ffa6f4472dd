package promote_test

import (
	"fmt"

	"github.com/sugarlabs/beamrider/replica/promote"
)

func ExampleNew() {
	_, err := promote.New(promote.Config{
		Nodes: []promote.Node{
			{Name: "beamrider", DSN: "promoter:secret@tcp(192.0.2.1:3306)/"},
			{Name: "sunjammer", DSN: "promoter:secret@unix(/run/mysqld/mysqld.sock)/"},
		},
	})
	// A program calls Plan here, shows it, and then Promote. This one has mistakes to correct first:
	fmt.Println(err)
	// Output:
	// promote: ReplicationUser is missing: the account with which replicas connect to the primary
	// promote: node "sunjammer": the DSN is not of TCP; set Address to host:port by which other servers reach it
}
