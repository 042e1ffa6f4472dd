package replicatest_test

import (
	"context"
	"fmt"

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
