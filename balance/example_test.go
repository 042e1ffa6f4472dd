package balance_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

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

// near is a Picker that prefers backends at a site, told by how their names begin, and asks others
// when all of those are busy.
type near struct {
	site string
	busy int // so many requests in flight are too many
}

func (p near) Pick(in balance.Info, candidates []balance.Candidate) int {
	best := -1
	for i, c := range candidates {
		if strings.HasPrefix(c.Name, p.site) && c.InFlight < p.busy && (best < 0 || c.InFlight < candidates[best].InFlight) {
			best = i
		}
	}
	if best < 0 {
		return balance.PowerOfTwo{}.Pick(in, candidates)
	}
	return best
}

// A picker of one's own. What it does is easy to try without any server.
func ExamplePicker() {
	var p balance.Picker = near{site: "paris-", busy: 2}
	pool := []balance.Candidate{{Name: "lima"}, {Name: "paris-1", InFlight: 1}}
	fmt.Println(pool[p.Pick(balance.Info{}, pool)].Name)
	pool[1].InFlight = 2
	fmt.Println(pool[p.Pick(balance.Info{}, pool)].Name)
	// Output:
	// paris-1
	// lima
}

// Each file is asked of the same backend, whose memory then holds it: Options.Classify makes the path
// the key.
func ExampleNewRendezvous() {
	p, err := balance.NewRendezvous(1.5)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := balance.New([]balance.Backend{
		{Name: "a", Handler: greet("a")},
		{Name: "b", Handler: greet("b")},
		{Name: "c", Handler: greet("c")},
	}, &balance.Options{Picker: p, Classify: func(in *balance.Info) { in.Key = in.Path }})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/1.xo", "/2.xo", "/3.xo", "/1.xo", "/2.xo", "/3.xo"} {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Body)
	}
	// Output:
	// b, 1.xo
	// c, 2.xo
	// c, 3.xo
	// b, 1.xo
	// c, 2.xo
	// c, 3.xo
}

// A client stays with the backend that it has met first: the cookie says so, and no one but the balancer can read
// it. The backend does not see it.
func ExampleNewStickyCookie() {
	sticker, err := balance.NewStickyCookie(balance.StickyCookieOptions{
		Keys: [][]byte{[]byte("32 bytes of a secret random file")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := balance.New([]balance.Backend{
		{Name: "a", Handler: greet("a")},
		{Name: "b", Handler: greet("b")},
	}, &balance.Options{Picker: new(balance.RoundRobin), Sticker: sticker})
	if err != nil {
		fmt.Println(err)
		return
	}
	cookie := ""
	for range 3 {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/Ada", nil)
		r.Header.Set("Cookie", cookie)
		b.ServeHTTP(w, r)
		if set := w.Result().Header.Get("Set-Cookie"); set != "" {
			fmt.Println(set)
			cookie, _, _ = strings.Cut(set, ";")
		}
		fmt.Println(w.Body)
	}
	// Output:
	// route=l6XJfnvP2aMZ9vpWT38m5A; Path=/; HttpOnly; SameSite=Lax
	// a, Ada
	// a, Ada
	// a, Ada
}

// Weights are kept within each turn.
func ExampleRoundRobin() {
	var p balance.RoundRobin
	pool := []balance.Candidate{{Name: "big", Weight: 3}, {Name: "old", Weight: 1}, {Name: "small", Weight: 1}}
	for range 5 {
		fmt.Println(pool[p.Pick(balance.Info{}, pool)].Name)
	}
	// Output:
	// big
	// old
	// big
	// small
	// big
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

// People who are logged in come first when there is more load than the backends can bear, and crawlers
// last.
func ExampleClassifyRules() {
	classify, err := balance.ClassifyRules([]balance.Rule{
		{Header: "User-Agent", HeaderMatch: "(?i)bot|crawl", Priority: -1},
		{Cookie: "session", Priority: 1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := balance.New([]balance.Backend{{
		Name:        "a",
		MaxInFlight: 8, // others wait
		Handler:     greet("Hello"),
	}}, &balance.Options{Classify: func(in *balance.Info) {
		classify(in)
		fmt.Println("priority", in.Priority)
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, field := range []string{"User-Agent: ExampleBot/1.0", "Cookie: session=1", "Accept: */*"} {
		name, value, _ := strings.Cut(field, ": ")
		r := httptest.NewRequest("GET", "/Ada", nil)
		r.Header.Set(name, value)
		b.ServeHTTP(httptest.NewRecorder(), r)
	}
	// Output:
	// priority -1
	// priority 1
	// priority 0
}
