package replica_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite"

	"github.com/sugarlabs/beamrider/replica"
)

func ExampleSingle() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	r := replica.Single(db) // a program written for replicas runs on one file
	ctx := context.Background()
	var one int
	if err := r.Read(ctx).QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(one)
	// Output: 1
}

func ExampleNew() {
	r, err := replica.New(replica.Config{Nodes: []replica.Node{
		{Name: "beamrider", DSN: "app:secret@tcp(192.0.2.1:3306)/catalog"},
		{Name: "sunjammer", DSN: "app:secret@tcp(192.0.2.2:3306)/catalog", Weight: 2},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	// A program calls go r.Run(ctx) and r.WaitReady(ctx) here. Until then nobody can be written to:
	_, err = r.Write(context.Background()).Exec("DELETE FROM drafts")
	fmt.Println(errors.Is(err, replica.ErrNoPrimary))
	// Output: true
}

func ExampleRouter_Update() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	r := replica.Single(db)
	ctx := context.Background()
	if _, err := r.DBTX().ExecContext(ctx, "CREATE TABLE downloads (activity TEXT PRIMARY KEY, n INTEGER NOT NULL)"); err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		err := r.Update(ctx, nil, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO downloads VALUES ('org.laptop.Log', 1) ON CONFLICT (activity) DO UPDATE SET n = n + 1")
			return err
		})
		if errors.Is(err, replica.ErrUnknownOutcome) {
			fmt.Println("look before you count again")
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	var n int
	err = r.View(ctx, func(ctx context.Context, q replica.Querier) error {
		return q.QueryRowContext(ctx, "SELECT n FROM downloads WHERE activity = 'org.laptop.Log'").Scan(&n)
	})
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleNewSession() {
	s := replica.NewSession()
	// What another process gave to a client, in a cookie or a header.
	token, err := replica.ParseToken("0-1-4711")
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Observe(token)
	ctx := replica.WithSession(context.Background(), s)
	_ = ctx // for Read, Write and the calls on their pools
	fmt.Println(s.Token())
	// Output: 0-1-4711
}

func ExampleNewSealer() {
	s, err := replica.NewSealer(replica.SealerConfig{Keys: [][]byte{[]byte("thirty-two bytes nobody can guess")}, Cluster: "catalog"})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := replica.ParseToken("0-1-4711")
	if err != nil {
		fmt.Println(err)
		return
	}
	cookie := s.Seal(token) // to the client, who sends it to any front end
	got, err := s.Open(cookie)
	fmt.Println(got, err)
	_, err = s.Open(cookie[:20])
	fmt.Println(errors.Is(err, replica.ErrToken))
	// Output:
	// 0-1-4711 <nil>
	// true
}

func ExampleRouter_SetNodes() {
	nodes := []replica.Node{
		{Name: "beamrider", DSN: "app:secret@tcp(192.0.2.1:3306)/catalog", Zone: "cellar"},
		{Name: "sunjammer", DSN: "app:secret@tcp(192.0.2.2:3306)/catalog", Zone: "attic"},
	}
	r, err := replica.New(replica.Config{Nodes: nodes, Zone: "cellar"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	// A new machine; while the router runs, no call notices.
	moonraker := replica.Node{Name: "moonraker", DSN: "app:secret@tcp(192.0.2.3:3306)/catalog", Weight: 3}
	if err := r.SetNodes(append(nodes, moonraker)); err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range r.Status().Nodes {
		fmt.Println(n.Name, n.State)
	}
	// A mistake changes nothing.
	fmt.Println(r.SetNodes(append(nodes, nodes[0])))
	// Output:
	// beamrider was not asked yet
	// sunjammer was not asked yet
	// moonraker was not asked yet
	// replica: two nodes are called "beamrider"
}
