package accesslog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/accesslog"
)

// A balancer with an access log, which is whole when Run has returned.
func ExampleNew() {
	var out strings.Builder
	log, err := accesslog.New(&out, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
	})}}, &balance.Options{Events: balance.Events{Done: log.Done}})
	if err != nil {
		fmt.Println(err)
		return
	}
	b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/page?token=secret", nil))
	ctx, stop := context.WithCancel(context.Background())
	stop()
	fmt.Println(log.Run(ctx))

	var line struct {
		Target, Backend, End string
		Status, Sent         int
	}
	fmt.Println(json.Unmarshal([]byte(out.String()), &line))
	fmt.Printf("%+v\n", line)
	// Output:
	// <nil>
	// <nil>
	// {Target:/page Backend:a End:done Status:200 Sent:5}
}

// A log in a file, and what to do when it was renamed.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "access.log")
	log, err := accesslog.Open(name, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	log.Done(&balance.Record{Method: "GET", Target: "/"})
	fmt.Println(os.Rename(name, name+".1"))
	log.Reopen() // at SIGHUP, say
	ctx, stop := context.WithCancel(context.Background())
	stop()
	fmt.Println(log.Run(ctx))
	text, err := os.ReadFile(name)
	fmt.Println(strings.Count(string(text), "\n"), err)
	// Output:
	// <nil>
	// <nil>
	// 1 <nil>
}
