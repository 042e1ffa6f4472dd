// Package keeper watches over the database servers of a library for its monitor: it says whether a
// lost primary would be replaced by itself, and does so in mode strict.
package keeper

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/replica/failover"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// Config is what there is to watch over.
type Config struct {
	Nodes                 []mariaurl.Server
	Promoter, Replication mariaurl.Account
	Mode                  promote.Mode // "": available
	Automatic             bool
	// Voters are monitors on other machines that lend their vote, at their [VotePath].
	Voters []settings.Named
	// Secret is what voters have in common; "": this process lends no vote.
	Secret string
	// Folder is where the file no-failover is looked for, and the last failover noted.
	Folder string
	Log    *slog.Logger
}

// Promotion is what a [promote.Promoter] of these servers needs.
func (c Config) Promotion() (promote.Config, error) {
	pc := promote.Config{Mode: c.Mode, ReplicationUser: c.Replication.User, ReplicationPassword: c.Replication.Password, Logger: c.Log}
	for _, n := range c.Nodes {
		host, port := n.HostPort()
		node := promote.Node{Name: n.Name, DSN: n.As(c.Promoter), NoPrimary: n.NoPrimary}
		if port != "" {
			node.Address = net.JoinHostPort(host, port)
		}
		pc.Nodes = append(pc.Nodes, node)
	}
	for _, v := range c.Voters {
		// The database server of the same machine mostly has that name already.
		voter, err := failover.NewVoter("monitor "+v.Name, v.URL, c.Secret, nil)
		if err != nil {
			return pc, err
		}
		pc.Voters = append(pc.Voters, voter)
	}
	return pc, nil
}

// A Keeper watches over the servers while it runs.
type Keeper struct {
	guard *failover.Guard
	vote  *failover.Vote
}

// Open returns a keeper. It connects to nobody.
func Open(c Config) (*Keeper, error) {
	pc, err := c.Promotion()
	if err != nil {
		return nil, err
	}
	k := &Keeper{}
	if k.guard, err = failover.New(failover.Config{Promote: pc, Automatic: c.Automatic, Rejoin: c.Automatic, Folder: c.Folder, Logger: c.Log}); err != nil {
		return nil, err
	}
	if c.Secret != "" {
		if k.vote, err = failover.NewVote(c.Secret); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Run watches until ctx ends.
func (k *Keeper) Run(ctx context.Context) error { return k.guard.Run(ctx) }

// VotePath is where a monitor lends its vote.
const VotePath = "/internal/vote"

// Beside offers this process's vote beside the page of the monitor, if it lends it. A nil Keeper has none.
func (k *Keeper) Beside(page http.Handler) http.Handler {
	if k == nil || k.vote == nil {
		return page
	}
	mux := http.NewServeMux()
	mux.Handle("/", page)
	mux.Handle(VotePath, k.vote)
	return mux
}

// OneCopy says since about when what is acknowledged is in one copy; zero: it is in more.
func (k *Keeper) OneCopy() time.Time { return k.guard.Status().OneCopy }

// Check says whether a lost primary would be replaced by itself. It is about what the keeper knows; who
// is the primary is told elsewhere.
func (k *Keeper) Check(name string) monitor.Check {
	return monitor.Check{Name: name, Every: time.Second, Fall: 1, Run: func(context.Context) monitor.Finding { return judge(k.guard.Status()) }}
}

func judge(s failover.Status) monitor.Finding {
	f := monitor.Finding{Level: monitor.OK, Detail: []monitor.Pair{{Key: "mode", Value: string(s.Mode)}}}
	detail := func(key, value string) { f.Detail = append(f.Detail, monitor.Pair{Key: key, Value: value}) }
	if s.Candidate != "" {
		detail("next primary", s.Candidate)
	}
	if s.Last != nil {
		detail("last failover", fmt.Sprintf("%s, from %s to %s", s.Last.At.UTC().Format(time.RFC3339), s.Last.From, s.Last.To))
	}
	if !s.OneCopy.IsZero() {
		detail("one copy since", s.OneCopy.UTC().Format(time.RFC3339))
	}
	switch {
	case !s.Automatic:
		f.Summary = "A person promotes: nothing does so by itself."
	case s.Held == "":
		f.Summary = "A lost primary would be replaced by itself."
	case !s.Lost.IsZero():
		f.Level, f.Summary = monitor.Bad, "The primary is lost, and not replaced by itself: "+s.Held
		f.Next = "remora-server db promote NAME --plan says what is known; " + command(s)
	default:
		f.Level, f.Summary = monitor.Warn, "A lost primary would not be replaced by itself: "+s.Held
		f.Next = "remora-server db diagnose"
	}
	return f
}

func command(s failover.Status) string {
	if s.Candidate == "" {
		return "then promote by hand"
	}
	return "then remora-server db promote " + s.Candidate
}
