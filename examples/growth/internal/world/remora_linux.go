package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Key and ImportToken are the secrets that all remora-servers of a world share.
const (
	Key         = "only-for-machines-that-live-in-one-another"
	ImportToken = "import-only-in-this-world"
)

// DataFolder is the data folder of all remora-servers of a machine: what a command changes for one
// holds for the others.
const DataFolder = "/srv/data"

// Settings are the settings of one remora-server; what is zero is left out of its file.
type Settings struct {
	Roles         []string // none: all
	Listen        string   // http.listen
	FilesURL      string
	Copy          string // of the published files, a folder
	Nodes         []string
	Balancer      string // balancer.listen
	Backends      []string
	Monitor       string // monitor.listen
	Targets       []string
	TrackFile     string
	Administrates bool // has the accounts for promotion and replication too
}

// text returns the settings as the configuration file of the server of that name. Every one shares
// its port, so that another can take it over.
func (s *Settings) text(network string) string {
	var b strings.Builder
	section := func(name string, pairs ...any) {
		first := true
		for i := 0; i < len(pairs); i += 2 {
			value := ""
			switch v := pairs[i+1].(type) {
			case string:
				if v != "" {
					value = fmt.Sprintf("%q", v)
				}
			case []string:
				if len(v) > 0 {
					value = "[\n"
					for _, e := range v {
						value += fmt.Sprintf("\t%q,\n", e)
					}
					value += "]"
				}
			}
			if value == "" {
				continue
			}
			if first {
				fmt.Fprintf(&b, "[%s]\n", name)
				first = false
			}
			fmt.Fprintf(&b, "%s = %s\n", pairs[i], value)
		}
	}
	promote, follow := "", ""
	if s.Administrates {
		promote, follow = PromoteUser+":"+PromotePassword, FollowUser+":"+FollowPassword
	}
	section("server", "roles", s.Roles)
	section("site", "proxies", []string{network, "127.0.0.0/8"}, "key", Key)
	section("http", "listen", s.Listen, "share_port", "true", "import_token", ImportToken)
	section("data", "dir", DataFolder)
	section("files", "url", s.FilesURL, "copy", s.Copy)
	section("database", "nodes", s.Nodes, "promote", promote, "replication", follow)
	kept := ""
	if slices.Contains(s.Roles, "balancer") {
		kept = "16MB"
	}
	section("balancer", "listen", s.Balancer, "backends", s.Backends, "kept", kept)
	section("monitor", "listen", s.Monitor, "targets", s.Targets, "track_file", s.TrackFile)
	return b.String()
}

// ConfigOf returns the path, on its machine, of the configuration of a remora-server.
func ConfigOf(name string) string { return "/srv/etc/" + name + ".toml" }

// Configure writes the configuration of a remora-server of the machine, new or changed.
func (m *Machine) Configure(name string, s *Settings) error {
	network := m.IP[:strings.LastIndexByte(m.IP, '.')] + ".0/24"
	return m.Write(ConfigOf(name), s.text(network), 0o600)
}

// Serve starts the remora-server that Configure has written the configuration of, and waits until
// it says that it is ready.
func (m *Machine) Serve(ctx context.Context, name string, flags ...string) (*Process, error) {
	p, err := m.Start(name, "remora-server", append([]string{"--config", ConfigOf(name), "serve"}, flags...)...)
	if err != nil {
		return nil, err
	}
	const within = 60 * time.Second
	select {
	case <-p.Ready():
		return p, nil
	case <-p.Exited():
		return nil, p.Check()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(within):
		return nil, fmt.Errorf("%s on %s has not said within %v that it is ready\n%s", name, m.Name, within, p.Tail())
	}
}

// Command runs a command of remora-server with the configuration of the server of that name.
func (m *Machine) Command(ctx context.Context, name string, args ...string) (string, error) {
	return m.Run(ctx, nil, "remora-server", append([]string{"--config", ConfigOf(name)}, args...)...)
}

// Fetch asks for a page from this machine, over a connection of its own, for at most two seconds. It returns the
// status and the first 64 KiB.
func (m *Machine) Fetch(ctx context.Context, url string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: m.Dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, string(body), errors.Join(err, res.Body.Close())
}

// Answers waits until url answers 200, asked for from this machine, with text in its page. The
// process is the one that is to answer: its end ends the waiting.
func (m *Machine) Answers(ctx context.Context, p *Process, url, text string) error {
	return p.Within(ctx, 60*time.Second, "answers at "+url, func() error {
		status, body, err := m.Fetch(ctx, url)
		switch {
		case err != nil:
			return err
		case status != http.StatusOK:
			return fmt.Errorf("status %d: %.100q", status, body)
		case !strings.Contains(body, text):
			return fmt.Errorf("there is no %q", text)
		}
		return nil
	})
}

// LogOf returns where a visitor finds the log of a process, inside the world.
func (m *Machine) LogOf(name string) string { return filepath.Join(base, m.Name, "log", name+".log") }
