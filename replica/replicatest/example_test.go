package replicatest_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func ExampleOpen() {
	g, err := replicatest.Open(context.Background(), replicatest.Topology{Servers: 12, ApplyThreads: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	// Output:
	// replicatest: Servers is 12; it must be from 1 to 9
	// replicatest: ApplyThreads is -1; it must be from 1 to 64
}

// A test of what a program does when the network between two servers is cut.
func ExampleStart() {
	_ = func(t *testing.T) {
		g := replicatest.Start(t, replicatest.Topology{Servers: 2, Partitionable: true})
		primary, replica := g.Servers[0], g.Servers[1]
		primary.Exec("CREATE TABLE app.notes (i INT)")
		replica.CatchUp(primary)
		primary.From(replica).Cut()
		primary.Exec("INSERT INTO app.notes VALUES (1)")
		// The program would be told both addresses.
		db, err := sql.Open("mysql", replica.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM notes").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d notes have passed a link that is cut; %v", n, err)
		}
		primary.From(replica).Heal()
		replica.CatchUp(primary)
	}
}
