package balance_test

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/sugarlabs/beamrider/balance"
)

func greet(word string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, %s", word, r.URL.Path[1:])
	})
}

func get(url string) {
	res, err := http.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, string(body), err)
}

// A pool of one server and one handler in this process. The server is gone when the second request
// comes, and the client does not notice.
func ExampleNew() {
	remote := httptest.NewServer(greet("Hello"))
	b, err := balance.New([]balance.Backend{
		{Name: "remote", URL: remote.URL},
		{Name: "local", Handler: greet("Good day")},
	}, &balance.Options{Picker: first{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	front := httptest.NewServer(b)
	defer front.Close()

	get(front.URL + "/Ada")
	remote.Close()
	get(front.URL + "/Ada")
	fmt.Println(b.Stats().Retries, "retry")
	// Output:
	// 200 Hello, Ada <nil>
	// 200 Good day, Ada <nil>
	// 1 retry
}

// first takes the first backend that it can get: others are spares.
type first struct{}

func (first) Pick(balance.Info, []balance.Candidate) int { return 0 }

// sticky is a Picker that keeps requests with the same key on the same backend, by rendezvous
// hashing: each backend's name is hashed with the key, and the greatest hash wins.
type sticky struct{}

func (sticky) Pick(in balance.Info, candidates []balance.Candidate) int {
	best, greatest := 0, uint64(0)
	for i, c := range candidates {
		h := fnv.New64a()
		io.WriteString(h, c.Name+" "+in.Key)
		if n := h.Sum64(); n > greatest {
			best, greatest = i, n
		}
	}
	return best
}

func ExamplePicker() {
	b, err := balance.New([]balance.Backend{
		{Name: "a", Handler: greet("a")},
		{Name: "b", Handler: greet("b")},
		{Name: "c", Handler: greet("c")},
	}, &balance.Options{
		Picker:   sticky{},
		Classify: func(in *balance.Info) { in.Key = in.Header("X-User") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	same := true
	for _, user := range []string{"Ada", "Grace", "Barbara"} {
		var first string
		for range 3 {
			r := httptest.NewRequest("GET", "/"+user, nil)
			r.Header.Set("X-User", user)
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			if first == "" {
				first = w.Body.String()
			}
			same = same && w.Body.String() == first
		}
	}
	fmt.Println("each user meets one backend:", same)
	// Output:
	// each user meets one backend: true
}

// A client that asks a pool without a server in between.
func ExampleBalancer_RoundTripper() {
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: greet("Hello")}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := http.Client{Transport: b.RoundTripper()}
	res, err := client.Get("http://pool/Ada")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)
	// Output:
	// Hello, Ada <nil>
}
