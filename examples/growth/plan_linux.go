package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
)

// The machines of the plan. The service address is where laptops and browsers find the library.
const (
	service = "10.66.0.10"
	target  = "http://" + service

	beamrider = "beamrider"
	sunjammer = "sunjammer"
	second    = "second"
	visitors  = "visitors"
)

var sites = []world.Site{
	{Name: beamrider, IP: "10.66.0.11"},
	{Name: sunjammer, IP: "10.66.0.12"},
	{Name: second, IP: "10.66.0.13"},
	{Name: visitors, IP: "10.66.0.100"},
}

// shared is the folder on beamrider that holds the files of the library. At stage 0 it is just that;
// from stage 1 on the very same folder is exported, so that nothing has to be moved: front ends on
// other machines reach it over NFS, that on beamrider itself as before.
const shared = "/srv/remora"

// copies is the folder of the published files' copy on machines that reach the others over NFS.
const copies = "/srv/copy"

// A frontend is a running front end.
type frontend struct {
	machine *world.Machine
	name    string
	port    int
	process *world.Process
}

func (f *frontend) url() string     { return fmt.Sprintf("http://%s:%d", f.machine.IP, f.port) }
func (f *frontend) backend() string { return f.machine.Name + "=" + f.url() }

// A plan is the library as far as it has grown. Its methods are called in the order of the stages,
// then those of faults.
type plan struct {
	world *world.World
	say   func(format string, args ...any) // a line of progress

	library   *world.Process       // stage 0
	primary   *world.MariaDB       // on beamrider, whatever role it has now
	replica   *world.MariaDB       // on second
	nfs       *world.NFS           // on beamrider
	fronts    map[string]*frontend // by machine
	balancers map[string]*world.Process
	monitors  map[string]*world.Process
	copiers   map[string]*world.Process // of published files
	addresses map[string]*world.Keepalived
	nodes     []string
	lost      time.Time // when beamrider lost its power for good; zero: it did not
	laptops   int       // so far
}

func newPlan(ctx context.Context, say func(string, ...any)) (*plan, error) {
	w, err := world.New(ctx, sites)
	if err != nil {
		return nil, err
	}
	return &plan{
		world: w, say: say, fronts: map[string]*frontend{}, balancers: map[string]*world.Process{},
		monitors: map[string]*world.Process{}, copiers: map[string]*world.Process{}, addresses: map[string]*world.Keepalived{},
	}, nil
}

func (p *plan) close() error {
	err := p.world.Close()
	for _, d := range []*world.MariaDB{p.primary, p.replica} {
		if d != nil {
			err = errors.Join(err, d.Close())
		}
	}
	return err
}

func (p *plan) machine(name string) *world.Machine { return p.world.Machine(name) }

// stage brings the library from the stage before to stage n.
func (p *plan) stage(ctx context.Context, n int) error {
	stages := []func(context.Context) error{p.stage0, p.stage1, p.stage2, p.stage3}
	if err := stages[n](ctx); err != nil {
		return fmt.Errorf("stage %d: %w", n, err)
	}
	return nil
}

// stage0: one process, its own database, a folder.
func (p *plan) stage0(ctx context.Context) (err error) {
	b := p.machine(beamrider)
	if err := os.MkdirAll(b.Path(shared), 0o755); err != nil {
		return err
	}
	if err := b.AddAddress(ctx, service); err != nil {
		return err
	}
	// Connections that wait for a process that stops are given to the one that takes its port over.
	if err := b.Sysctl("net/ipv4/tcp_migrate_req", "1"); err != nil {
		return err
	}
	p.say("beamrider: the library as one process, with an embedded database")
	if err := b.Configure("library", &world.Settings{Listen: "0.0.0.0:80", FilesURL: "file://" + shared}); err != nil {
		return err
	}
	if p.library, err = b.Serve(ctx, "library", "--samples"); err != nil {
		return err
	}
	return p.machine(visitors).Answers(ctx, p.library, target+"/readyz", "ok")
}

// stage1: the database becomes MariaDB, the folder an export, the process a front end behind a
// balancer, while visitors read on.
func (p *plan) stage1(ctx context.Context) (err error) {
	b := p.machine(beamrider)
	p.say("beamrider: starting MariaDB and NFS-Ganesha")
	if p.primary, err = p.world.MariaDB(ctx, b, 1); err != nil {
		return err
	}
	if err := p.primary.Primary(ctx); err != nil {
		return err
	}
	if p.nfs, err = p.world.NFS(ctx, b, shared); err != nil {
		return err
	}
	p.nodes = []string{p.primary.URL()}
	p.say("beamrider: copying the catalog into MariaDB; imports are told to come back later meanwhile")
	if out, err := b.Command(ctx, "library", "db", "copy", "--to", p.primary.URL()); err != nil {
		return err
	} else if out = strings.TrimSpace(out); out != "" {
		p.say("  %s", lastLine(out))
	}
	// Until the old process has ended, it still answers some visitors from the old database: nothing
	// new may be written that they would not see.
	if err := p.primary.ReadOnly(ctx, true); err != nil {
		return err
	}
	p.say("beamrider: a front end and a balancer take over from the one process")
	if err := p.front(ctx, b, 8081); err != nil {
		return err
	}
	if err := p.balance(ctx, b); err != nil {
		return err
	}
	if err := p.library.Stop(40 * time.Second); err != nil {
		return err
	}
	if err := p.primary.ReadOnly(ctx, false); err != nil {
		return err
	}
	return p.machine(visitors).Answers(ctx, p.balancers[beamrider], target+"/", "")
}

// stage2: a second front end on another machine.
func (p *plan) stage2(ctx context.Context) error {
	p.say("sunjammer: a second front end, on the same database and the same files")
	s := p.machine(sunjammer)
	if err := p.copier(ctx, s); err != nil {
		return err
	}
	if err := p.front(ctx, s, 8081); err != nil {
		return err
	}
	return p.rebalance(ctx)
}

// stage3: a second machine with everything, and the address that moves.
func (p *plan) stage3(ctx context.Context) (err error) {
	b, s, n := p.machine(beamrider), p.machine(sunjammer), p.machine(second)
	p.say("second: a replica of the database")
	if p.replica, err = p.world.MariaDB(ctx, n, 2); err != nil {
		return err
	}
	if err := p.replica.Rebuild(ctx, p.primary); err != nil {
		return err
	}
	if err := p.replica.CatchUp(ctx, p.primary, time.Minute); err != nil {
		return err
	}
	if err := p.primary.SemiSync(ctx); err != nil {
		return err
	}
	p.nodes = []string{p.primary.URL(), p.replica.URL()}
	p.say("second: a copy of the published files, a front end")
	if err := p.copier(ctx, n); err != nil {
		return err
	}
	if err := p.front(ctx, n, 8081); err != nil {
		return err
	}
	if err := p.rebalance(ctx); err != nil {
		return err
	}
	p.say("beamrider, sunjammer: front ends that know both databases take over, one after the other")
	if err := p.copier(ctx, s); err != nil {
		return err
	}
	for _, m := range []*world.Machine{b, s} {
		if err := p.replaceFront(ctx, m); err != nil {
			return err
		}
	}
	p.say("second: a balancer; beamrider, second: monitors, and keepalived to move the address")
	if err := p.balance(ctx, n); err != nil {
		return err
	}
	for _, m := range []*world.Machine{b, n} {
		if err := p.monitor(ctx, m); err != nil {
			return err
		}
	}
	return p.moveable(ctx)
}

// moveable hands the service address to keepalived.
func (p *plan) moveable(ctx context.Context) (err error) {
	b, n := p.machine(beamrider), p.machine(second)
	if p.addresses[beamrider], err = p.world.Keepalived(b, n, service, 254); err != nil {
		return err
	}
	// The address is there since stage 0. If the other one started before this one has spoken, it would take it.
	if err := p.addresses[beamrider].Leads(ctx, 20*time.Second); err != nil {
		return err
	}
	if err := p.addresses[beamrider].Holds(ctx, 20*time.Second); err != nil {
		return err
	}
	p.addresses[second], err = p.world.Keepalived(n, b, service, 250)
	return err
}

// front starts a front end on the machine. It is not given visitors by this.
func (p *plan) front(ctx context.Context, m *world.Machine, port int) (err error) {
	f := &frontend{machine: m, name: fmt.Sprintf("frontend-%d", port), port: port}
	set := &world.Settings{Roles: []string{"frontend"}, Listen: fmt.Sprintf("%s:%d", m.IP, port), Nodes: p.nodes, FilesURL: p.filesURL(m)}
	if m.Name != beamrider {
		set.Copy = copies
	}
	if err := m.Configure(f.name, set); err != nil {
		return err
	}
	if f.process, err = m.Serve(ctx, f.name); err != nil {
		return err
	}
	p.fronts[m.Name] = f
	return m.Answers(ctx, f.process, f.url()+"/readyz", "ok")
}

// filesURL is where the machine reaches the library's files.
func (p *plan) filesURL(m *world.Machine) string {
	if m.Name == beamrider {
		return "file://" + shared
	}
	return p.nfs.URL()
}

// replaceFront starts a front end with the settings of now beside the one of the machine, gives it
// the visitors, and stops the other.
func (p *plan) replaceFront(ctx context.Context, m *world.Machine) error {
	old := p.fronts[m.Name]
	if err := p.front(ctx, m, old.port+1); err != nil {
		return err
	}
	if err := p.rebalance(ctx); err != nil {
		return err
	}
	return old.process.Stop(40 * time.Second)
}

// copier starts the process that keeps the copy of the published files, in place of the one that may
// be there.
func (p *plan) copier(ctx context.Context, m *world.Machine) (err error) {
	if old := p.copiers[m.Name]; old != nil {
		if err := old.Stop(40 * time.Second); err != nil {
			return err
		}
	}
	if err := m.Configure("files", &world.Settings{Roles: []string{"files"}, Nodes: p.nodes, FilesURL: p.filesURL(m), Copy: copies}); err != nil {
		return err
	}
	p.copiers[m.Name], err = m.Serve(ctx, "files")
	return err
}

func (p *plan) backends() (list []string) {
	for _, s := range sites {
		if f := p.fronts[s.Name]; f != nil {
			list = append(list, f.backend())
		}
	}
	return list
}

func (p *plan) balancerSettings() *world.Settings {
	// The server of this one role listens where http.listen says.
	return &world.Settings{Roles: []string{"balancer"}, Listen: "0.0.0.0:80", Backends: p.backends()}
}

// balance starts a balancer on the machine.
func (p *plan) balance(ctx context.Context, m *world.Machine) (err error) {
	if err := m.Configure("balancer", p.balancerSettings()); err != nil {
		return err
	}
	p.balancers[m.Name], err = m.Serve(ctx, "balancer")
	return err
}

// rebalance tells all balancers which front ends there are, and waits until they use them.
func (p *plan) rebalance(ctx context.Context) error {
	for _, s := range sites {
		process := p.balancers[s.Name]
		if process == nil || process.Ended() {
			continue
		}
		m := p.machine(s.Name)
		if err := m.Configure("balancer", p.balancerSettings()); err != nil {
			return err
		}
		if err := process.Reload(); err != nil {
			return err
		}
		for _, f := range p.fronts {
			if err := m.Answers(ctx, process, "http://"+m.IP+"/internal/balancer", f.url()); err != nil {
				return err
			}
		}
	}
	return nil
}

// monitor starts the monitor of a machine. It watches all front ends, and for keepalived the
// balancer of its own machine.
func (p *plan) monitor(ctx context.Context, m *world.Machine) (err error) {
	var targets []string
	for _, s := range sites {
		if f := p.fronts[s.Name]; f != nil {
			targets = append(targets, f.machine.Name+"="+f.url()+"/livez")
		}
	}
	set := &world.Settings{
		Roles: []string{"monitor"}, Nodes: p.nodes, FilesURL: p.filesURL(m), Balancer: "0.0.0.0:80", Backends: p.backends(),
		Monitor: m.IP + ":8090", Targets: targets, TrackFile: world.TrackFile, Administrates: true,
	}
	if m.Name != beamrider {
		set.Copy = copies
	}
	if err := m.Configure("monitor", set); err != nil {
		return err
	}
	if p.monitors[m.Name], err = m.Serve(ctx, "monitor"); err != nil {
		return err
	}
	return p.monitors[m.Name].Within(ctx, 20*time.Second, "says that the balancer is well", func() error {
		b, err := os.ReadFile(m.Path(world.TrackFile))
		if err == nil && strings.TrimSpace(string(b)) != "0" {
			err = fmt.Errorf("%s says %q", world.TrackFile, b)
		}
		return err
	})
}

// holder says which machine has the service address.
func (p *plan) holder(ctx context.Context) (string, error) {
	for _, name := range []string{beamrider, second} {
		has, err := p.machine(name).HasAddress(service)
		if err != nil {
			return "", err
		}
		if has {
			return name, nil
		}
	}
	return "", errors.New("nobody has the service address")
}

// reachable waits until a visitor gets a page.
func (p *plan) reachable(ctx context.Context, within time.Duration) error {
	return world.Until(ctx, within, "visitors get pages", func() error {
		status, _, err := p.machine(visitors).Fetch(ctx, target+"/")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
}

func lastLine(s string) string {
	return s[strings.LastIndexByte(s, '\n')+1:]
}
