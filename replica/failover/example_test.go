package failover_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

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
	// failover: Automatic needs at least three servers, and there are 2: two cannot tell a lost server from a cut network, and one alone has one copy; promote by hand, or add a small server on another machine
	// This guard has not seen yet which server is the primary.
}

func ExampleNewVote() {
	vote, err := failover.NewVote("a secret of 16 bytes or more")
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/vote", vote)
	server := httptest.NewServer(mux)
	defer server.Close()
	voter, err := failover.NewVoter("monitor", server.URL+"/vote", "a secret of 16 bytes or more", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	given, err := voter.Lock(context.Background(), "a guard", time.Second)
	fmt.Println(given, err) // it has just started, and may have given its vote before
	// Output: false <nil>
}

func ExampleNewVoter() {
	_, err := failover.NewVoter("monitor", "192.0.2.3:8081", "a secret of 16 bytes or more", nil)
	fmt.Println(err)
	// Output: failover: voter "monitor": its address must look like https://host/vote
}
