package deptest

import (
	"os"
	"testing"
)

const module = "github.com/sugarlabs/beamrider"

// The libraries, which others import without the rest.
var libraries = []string{"./remora/...", "./balance/...", "./replica/...", "./nfsstore/..."}

var rules = []Rule{
	{
		In: []string{"./remora"}, Only: []string{}, Std: true,
		Never:  []string{"net/http/...", "database/sql/...", "log"},
		Reason: "the domain knows neither the network nor a database nor a log, only values; what it needs from others are small interfaces",
	},
	{
		In:     []string{"./remora/sqlstore/..."},
		Only:   []string{"./remora", "./remora/sqlstore/...", "./internal/durable", "github.com/go-sql-driver/mysql", "github.com/pressly/goose/v3/...", "modernc.org/sqlite/..."},
		Std:    true,
		Reason: "the store knows the domain and its drivers; pages and protocols must not reach into SQL by way of it",
	},
	{
		In: []string{"./remora/search"}, Only: []string{},
		Reason: "the search index knows only ids and strings",
	},
	{
		In: []string{"./remora/live"}, Only: []string{"./remora", "./remora/search", "./internal/durable"},
		Reason: "the view is made of the domain and the search index, and reads a store through an interface: front ends must work while the database is away",
	},
	{
		In: []string{"./remora/xo"}, Only: []string{"./remora"},
		Reason: "the bundle reader is useful alone",
	},
	{
		In: []string{"./remora/intake"}, Only: []string{"./remora", "./remora/xo"},
		Reason: "taking bundles in knows stores and files by interfaces, so that its order of steps can be tested against any",
	},
	{
		In: []string{"./remora/sugar"}, Only: []string{"./remora", "./remora/live", "./remora/site", "./internal/sendfile"},
		Reason: "front ends serve from the view, never from the database, and not from each other",
	},
	{
		In: []string{"./remora/web/api"}, Only: []string{"./remora", "./remora/live", "./remora/site", "./remora/web/internal/answer", "./remora/web/internal/place", "./remora/web/internal/weblink"},
		Reason: "programs are answered from the view, as pages are, and from nothing else",
	},
	{
		// xo for the list of its refusals and the form of its reports, which developers read.
		In: []string{"./remora/web"}, Only: []string{"./remora", "./remora/live", "./remora/site", "./remora/xo", "./remora/web/api", "./remora/web/internal/..."},
		Reason: "front ends serve from the view, never from the database, and not from each other",
	},
	{
		In: []string{"./remora/session"}, Only: []string{"./remora", "./remora/live", "./remora/site"},
		Reason: "tokens speak of positions of a view; how a database router makes its own is told them by functions",
	},
	{
		In: []string{"./remora/peer"}, Only: []string{"./remora", "./remora/live", "./remora/intake"},
		Reason: "machines tell each other what the view shows; who is let in is decided where it is mounted",
	},
	{
		In: []string{"./remora/..."}, Never: []string{"./balance/...", "./replica/...", "./nfsstore/..."}, Tests: true,
		Reason: "remora fits the other libraries by structure; they meet in cmd/remora-server/wire.go",
	},
	{
		In: []string{"./nfsstore/..."}, Never: []string{"./remora/...", "./balance/...", "./replica/..."}, Tests: true,
		Reason: "nfsstore is useful, tested and documented alone",
	},
	{
		In: []string{"./nfsstore/..."}, Only: []string{"./nfsstore/...", "./internal/sendfile", "golang.org/x/sys/...", "golang.org/x/sync/...", "github.com/buildbarn/go-xdr/..."}, Std: true,
		Reason: "who imports nfsstore gets nothing else with it",
	},
	{
		In: []string{"./balance/..."}, But: []string{"./balance/cache", "./balance/edge"}, Only: []string{"./balance/...", "golang.org/x/sync/..."}, Std: true,
		Reason: "who imports balance gets nothing else with it",
	},
	{
		In: []string{"./balance/edge"}, Only: []string{"./balance/internal/...", "github.com/pires/go-proxyproto", "golang.org/x/time/rate"}, Std: true,
		Reason: "what stands before a handler knows no balancer; token buckets and the PROXY protocol are the work of others",
	},
	{
		In: []string{"./balance/cache"}, Only: []string{"./balance", "github.com/maypok86/otter/v2"}, Std: true,
		Reason: "a cache that is bounded by bytes and keeps what is used often is otter's work; who does not cache does not get it",
	},
	{
		In: []string{"./replica/..."}, But: []string{"./replica/replicatest"},
		Only:   []string{"./replica/...", "github.com/go-sql-driver/mysql", "golang.org/x/sync/..."},
		Std:    true,
		Reason: "who imports replica gets its driver and nothing else with it",
	},
	{
		In: []string{"./balance/...", "./replica/..."}, Never: []string{"./remora/...", "./nfsstore/..."}, Tests: true,
		Reason: "each library is useful, tested and documented alone",
	},
	{
		In: []string{"./balance/..."}, Never: []string{"./replica/..."}, Tests: true,
		Reason: "each library is useful, tested and documented alone",
	},
	{
		In: []string{"./replica/..."}, Never: []string{"./balance/..."}, Tests: true,
		Reason: "each library is useful, tested and documented alone",
	},
	{
		In:     []string{"./..."},
		Never:  []string{"./cmd/...", "./internal/tools/..."},
		But:    []string{"./cmd/..."},
		Tests:  true,
		Reason: "programs are made of libraries, not the other way round",
	},
	{
		In:     append([]string{"./internal/durable"}, libraries...),
		Never:  []string{"github.com/rs/zerolog/...", "github.com/prometheus/...", "github.com/alecthomas/kong/...", "github.com/pelletier/go-toml/..."},
		Tests:  true,
		Reason: "a library takes a *slog.Logger and Options; log format, metrics, flags and settings files are the program's choice",
	},
	{
		In: []string{"./internal/durable", "./internal/sendfile", "./remora/site", "./internal/require"}, Only: []string{},
		Reason: "what every library may import must not bring others with it",
	},
}

func TestImports(t *testing.T) {
	violations, err := Check(os.DirFS("../.."), module, rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}
