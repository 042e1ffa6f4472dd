package heartbeat_test

import (
	"fmt"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/heartbeat"
)

func ExampleNew() {
	router, err := replica.New(replica.Config{
		Nodes: []replica.Node{
			{Name: "beamrider", DSN: "app:secret@tcp(192.0.2.1:3306)/catalog"},
			{Name: "sunjammer", DSN: "app:secret@tcp(192.0.2.2:3306)/catalog"},
		},
		Heartbeat: "ops.heartbeat", // who reads
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer router.Close()
	writer, err := heartbeat.New(heartbeat.Config{Writes: router, Table: "ops.heartbeat", Create: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	// go router.Run(ctx); go writer.Run(ctx)
	fmt.Println(writer.Err())
	_, err = heartbeat.New(heartbeat.Config{Table: "heartbeat"})
	fmt.Println(err)
	// Output:
	// heartbeat: none was written yet
	// heartbeat: Writes is nil; give it what knows the primary
	// heartbeat: Table: "heartbeat" is not the name of a table; write database.table, of at most 64 characters each
}
