package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/sugarlabs/beamrider/balance/edge"
)

func ExampleNew() {
	s, err := edge.New(http.FileServer(http.Dir(".")), edge.Options{MaxConns: 5000})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error)
	go func() { done <- s.Serve(ctx, edge.Listener{Listener: l}) }()

	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(res.Body)
	fmt.Println(res.Status, err)
	fmt.Print(string(body))
	c.Close()
	stop()
	fmt.Println(<-done)
	// Output:
	// 400 Bad Request <nil>
	// The Content-Length is not a plain decimal number.
	// <nil>
}
