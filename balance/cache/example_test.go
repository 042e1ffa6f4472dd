package cache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/cache"
)

func ExampleNew() {
	c, err := cache.New(&cache.Options{Bytes: 256 << 20, Name: "front"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", "page news")
		io.WriteString(w, "hello")
	})
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: page}}, &balance.Options{Cache: c})
	if err != nil {
		fmt.Println(err)
		return
	}
	get := func() {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		fmt.Println(w.Code, w.Body, w.Header()["Age"])
	}
	get()
	get()
	fmt.Println(c.PurgeTag("news"), "purged")
	get()
	// Output:
	// 200 hello []
	// 200 hello [0]
	// 1 purged
	// 200 hello []
}
