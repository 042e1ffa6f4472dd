package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/tsenart/nap"
)

// layerServer is what all connect to here, nap by the name of its driver.
var layerServer fakeServer

const layerDriver = "replica layer"

type fakeDriver struct{}

func (fakeDriver) Open(string) (driver.Conn, error) { return layerServer.Connect(context.Background()) }

func init() { sql.Register(layerDriver, fakeDriver{}) }

// BenchmarkLayer measures what a read costs on a driver that does nothing, so that all there is to
// see is what is between it and the caller. internal/replicabench runs it.
func BenchmarkLayer(b *testing.B) {
	c := Config{Nodes: []Node{{Name: "a", DSN: dsn}, {Name: "b", DSN: dsn}, {Name: "c", DSN: dsn}}}
	r, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	v := &view{primary: r.nodes[0]}
	at := ids("0-1-100")
	for _, n := range r.nodes[1:] {
		n.readServer = &layerServer
		n.applied.Store(&at)
		v.add(n)
	}
	r.view.Store(v)

	peer, err := nap.Open(layerDriver, "a;b;c")
	if err != nil {
		b.Fatal(err)
	}
	defer peer.Close()
	direct := sql.OpenDB(&layerServer)
	defer direct.Close()

	s := NewSession()
	s.wrote(ids("0-1-99"))
	// With a context that can end, database/sql starts a goroutine for each query, which is no work of ours.
	plain := context.Background()
	session := WithSession(plain, s)
	queries := map[string]func() *sql.Row{
		"sql.DB":           func() *sql.Row { return direct.QueryRowContext(plain, "SELECT 1") },
		"Read":             func() *sql.Row { return r.Read(plain).QueryRowContext(plain, "SELECT 1") },
		"Read_and_session": func() *sql.Row { return r.Read(session).QueryRowContext(session, "SELECT 1") },
		"nap":              func() *sql.Row { return peer.QueryRowContext(plain, "SELECT 1") },
	}
	for name, query := range queries {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var x string
				if err := query().Scan(&x); err != nil || x != "0" {
					b.Fatal(x, err)
				}
			}
		})
	}
	for name, ctx := range map[string]context.Context{"pick": plain, "pick_and_session": session} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r.Read(ctx) == r.fallback {
					b.Fatal("not a replica")
				}
			}
		})
	}
}
