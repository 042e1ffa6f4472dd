package console_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/console"
)

// A console, and somebody who takes a backend out of service.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: http.NotFoundHandler()}, {Name: "b", Handler: http.NotFoundHandler()}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := console.New(b, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := console.Listen(filepath.Join(dir, "console"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- c.Run(ctx, l) }()

	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(conn, "node disable b its disk is replaced\nsummary\nquit\n")
	answers, err := io.ReadAll(conn)
	fmt.Print(string(answers))
	stop()
	fmt.Println(err, conn.Close(), <-ended)
	// Output:
	// OK b gets no requests: its disk is replaced.
	// .
	// 1 of 2 backends serve. b is disabled: its disk is replaced.
	// .
	// OK Good bye.
	// .
	// <nil> <nil> <nil>
}
