package httpsession_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/httpsession"
)

func ExampleNew() {
	sealer, err := replica.NewSealer(replica.SealerConfig{Keys: [][]byte{[]byte("thirty-two bytes nobody can guess")}, Cluster: "catalog"})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := httpsession.New(httpsession.Config{Sealer: sealer})
	if err != nil {
		fmt.Println(err)
		return
	}
	pages := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// r.Context() goes to Router.Read and to all calls on its pools.
		fmt.Fprint(w, "the session is at ", replica.SessionOf(r.Context()).Token())
	}))

	// A message of a queue brings the token of the write that it is about.
	ctx := m.Import(httptest.NewRequest("GET", "/", nil).Context(), "")
	token, err := replica.ParseToken("0-1-4711")
	if err != nil {
		fmt.Println(err)
		return
	}
	replica.SessionOf(ctx).Observe(token)

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Replica-Token", m.Export(ctx))
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: the session is at 0-1-4711
}
