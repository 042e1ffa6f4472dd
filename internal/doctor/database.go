package doctor

import (
	"slices"

	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/replica/diagnose"
)

// Cluster is what package diagnose is told of the database servers of c.
func Cluster(c Config) diagnose.Config {
	d := diagnose.Config{Strict: c.Strict, Promoter: diagnose.Account(c.Promoter), Replication: diagnose.Account(c.Replication)}
	for _, s := range c.Servers {
		d.Nodes = append(d.Nodes, diagnose.Node{Name: s.Name, DSN: s.DSN()})
	}
	return d
}

var levels = map[diagnose.Level]monitor.Level{diagnose.Bad: monitor.Bad, diagnose.Warn: monitor.Warn, diagnose.Unknown: monitor.Unknown, diagnose.Note: monitor.OK}

// Results says a diagnosis in the words of the other checks: one result for each finding, and one for
// each server where nothing is wrong.
func Results(r *diagnose.Report) (all []monitor.Result) {
	for _, f := range r.Findings {
		all = append(all, monitor.Result{Name: name(f.Node), Finding: monitor.Finding{Level: levels[f.Level], Summary: f.Summary, Next: f.Next}})
	}
	for _, s := range r.Servers {
		if !slices.ContainsFunc(r.Findings, func(f diagnose.Finding) bool { return f.Node == s.Name && f.Level != diagnose.Note }) {
			all = append(all, monitor.Result{Name: name(s.Name), Finding: monitor.Finding{Level: monitor.OK, Summary: "It is set up as it should be (" + s.Role + ", " + s.Version + ")."}})
		}
	}
	return all
}

func name(node string) string {
	if node == "" {
		return "MariaDB"
	}
	return "MariaDB " + node
}
