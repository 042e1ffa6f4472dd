package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sugarlabs/beamrider/internal/child"
)

// A job is what a proxy is set up for.
type job struct {
	backends []string // addresses
	slots    int      // requests at a time for each backend; 0: any number
	cache    bool
	log      string // the access log's name
	dir      string // a folder of its own
	port     int
}

func (j *job) address() string { return fmt.Sprintf("127.0.0.1:%d", j.port) }

// file writes one into the folder of the job.
func (j *job) file(name, text string) (string, error) {
	path := filepath.Join(j.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// each makes a line of every backend.
func (j *job) each(format string) string {
	var s strings.Builder
	for i, b := range j.backends {
		s.WriteString(strings.NewReplacer("{n}", fmt.Sprint(i+1), "{address}", b).Replace(format))
		s.WriteByte('\n')
	}
	return s.String()
}

// A peer is a proxy that is measured.
type peer struct {
	name    string
	program string
	version []string // the arguments that make it say its version
	note    string   // what readers of the table must know
	// commands writes settings and says what is to be run: the proxy, then helpers of it.
	commands func(j *job) ([]*exec.Cmd, error)
}

// logTo runs a program with its standard output in a file, for those that log there.
func logTo(file, name string, args ...string) *exec.Cmd {
	return command(proxyCore, "sh", append([]string{"-c", `log=$1; shift; exec "$@" >>"$log"`, "sh", file, name}, args...)...)
}

// ours is the balancer, and bare the yardstick for it.
func ours(subject, mode string) peer {
	p := peer{name: mode, program: subject, version: nil}
	p.commands = func(j *job) ([]*exec.Cmd, error) {
		args := []string{"-mode", mode, "-listen", j.address(), "-backends", strings.Join(j.backends, ","), "-slots", fmt.Sprint(j.slots),
			"-console", filepath.Join(j.dir, "console")}
		if mode != "ReverseProxy" {
			args = append(args, "-log", j.log)
		}
		cmd := command(proxyCore, subject, args...)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		return []*exec.Cmd{cmd}, nil
	}
	return p
}

var (
	haproxy = peer{name: "HAProxy", program: "haproxy", version: []string{"-v"}, commands: haproxyCommands("")}
	// haproxyMoves ends the sessions of a server that is marked down, whose requests are then repeated.
	haproxyMoves = peer{
		name: "HAProxy, shutdown-sessions", program: "haproxy", version: []string{"-v"},
		commands: haproxyCommands("on-marked-down shutdown-sessions"),
	}
	nginx = peer{name: "nginx", program: "nginx", version: []string{"-v"}, commands: nginxCommands}
	caddy = peer{name: "Caddy", program: "caddy", version: []string{"version"}, commands: caddyCommands}
	// Perlbal has no access log.
	perlbal = peer{name: "Perlbal", program: "perlbal", version: []string{"--version"}, note: "has no access log", commands: perlbalCommands}
	varnish = peer{name: "Varnish", program: "varnishd", version: []string{"-V"}, note: "its access log is varnishncsa, counted in", commands: varnishCommands(true)}
	// varnishQuiet logs to memory only.
	varnishQuiet = peer{name: "Varnish without varnishncsa", program: "varnishd", version: []string{"-V"}, note: "no access log on disk", commands: varnishCommands(false)}
)

func haproxyCommands(server string) func(*job) ([]*exec.Cmd, error) {
	return func(j *job) ([]*exec.Cmd, error) {
		var limit, cache, use string
		if j.slots > 0 {
			limit = fmt.Sprintf(" maxconn %d", j.slots)
		}
		if j.cache {
			cache = "cache pages\n  total-max-size 64\n  max-object-size 1000000\n  max-age 3600\n"
			use = "  http-request cache-use pages\n  http-response cache-store pages\n"
		}
		settings, err := j.file("haproxy.cfg", `global
  nbthread 1
  maxconn 4000
  log stdout format raw local0 info
  stats socket `+j.dir+`/haproxy.sock mode 600 level admin expose-fd listeners
defaults
  mode http
  log global
  option httplog
  option splice-auto
  option redispatch
  retries 2
  retry-on all-retryable-errors
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout queue 5s
  timeout http-request 10s
`+cache+`frontend front
  bind `+j.address()+`
  http-request set-priority-class int(-100) if { req.hdr(X-Priority) high }
  default_backend back
backend back
  balance leastconn
  option httpchk GET /
`+use+"  default-server check inter 500ms fall 2 rise 2"+limit+" "+server+"\n"+j.each("  server b{n} {address}"))
		if err != nil {
			return nil, err
		}
		return []*exec.Cmd{logTo(j.log, "haproxy", "-W", "-db", "-f", settings)}, nil
	}
}

func nginxCommands(j *job) ([]*exec.Cmd, error) {
	var cache, use string
	if j.cache {
		cache = "  proxy_cache_path " + j.dir + "/cache keys_zone=pages:10m max_size=64m use_temp_path=off;\n"
		use = "      proxy_cache pages; proxy_cache_lock on;\n"
	}
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "  %s_temp_path %s/%s;\n", kind, j.dir, kind)
	}
	settings, err := j.file("nginx.conf", `worker_processes 1;
daemon off;
pid `+j.dir+`/pid;
error_log `+j.dir+`/error.log warn;
events { worker_connections 9000; }
http {
`+temporary.String()+cache+`  access_log `+j.log+` combined buffer=64k flush=1s;
  keepalive_requests 100000000;
  upstream back {
    zone back 64k;
    least_conn;
`+j.each("    server {address} max_fails=2 fail_timeout=2s;")+`    keepalive 256;
    keepalive_requests 100000000;
  }
  server {
    listen `+j.address()+` backlog=4096;
    location / {
`+use+`      proxy_pass http://back;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout;
    }
  }
}
`)
	if err != nil {
		return nil, err
	}
	return []*exec.Cmd{command(proxyCore, "nginx", "-e", filepath.Join(j.dir, "error.log"), "-p", j.dir, "-c", settings)}, nil
}

func caddyCommands(j *job) ([]*exec.Cmd, error) {
	settings, err := j.file("Caddyfile", `{
	admin off
	auto_https off
}
http://:`+fmt.Sprint(j.port)+` {
	bind 127.0.0.1
	log {
		output file `+j.log+` {
			roll_disabled
		}
	}
	reverse_proxy `+strings.Join(j.backends, " ")+` {
		lb_policy least_conn
		lb_retries 2
		fail_duration 2s
		health_uri /
		health_interval 500ms
		health_timeout 1s
		transport http {
			dial_timeout 2s
			keepalive_idle_conns_per_host 256
		}
	}
}
`)
	if err != nil {
		return nil, err
	}
	cmd := command(proxyCore, "caddy", "run", "--config", settings, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "HOME="+j.dir, "XDG_DATA_HOME="+j.dir, "XDG_CONFIG_HOME="+j.dir)
	return []*exec.Cmd{cmd}, nil
}

func perlbalCommands(j *job) ([]*exec.Cmd, error) {
	settings, err := j.file("perlbal.conf", `CREATE POOL back
`+j.each("  POOL back ADD {address}")+`
CREATE SERVICE front
  SET role = reverse_proxy
  SET listen = `+j.address()+`
  SET pool = back
  SET persist_client = on
  SET persist_backend = on
  SET backend_persist_cache = 64
  SET connect_ahead = 2
ENABLE front
`)
	if err != nil {
		return nil, err
	}
	return []*exec.Cmd{command(proxyCore, "perlbal", "--config", settings)}, nil
}

func varnishCommands(log bool) func(*job) ([]*exec.Cmd, error) {
	return func(j *job) ([]*exec.Cmd, error) {
		host, port, _ := strings.Cut(j.backends[0], ":")
		settings, err := j.file("bench.vcl", `vcl 4.1;
backend back { .host = "`+host+`"; .port = "`+port+`"; }
`)
		if err != nil {
			return nil, err
		}
		work := filepath.Join(j.dir, "varnish")
		all := []*exec.Cmd{command(proxyCore, "varnishd", "-F", "-j", "none", "-n", work, "-a", j.address(), "-T", "none", "-f", settings, "-s", "malloc,64m", "-p", "thread_pools=1")}
		if log {
			all = append(all, command(proxyCore, "varnishncsa", "-t", "10", "-n", work, "-a", "-w", j.log))
		}
		return all, nil
	}
}

var numbers = regexp.MustCompile(`\d+\.\d+[\w.]*`)

// says returns what version the peer says it is.
func (p *peer) says() string {
	if p.version == nil {
		return "this commit"
	}
	// Some end with an error when all they do is say their version.
	out, _ := exec.Command(p.program, p.version...).CombinedOutput()
	return numbers.FindString(string(out))
}

func (p *peer) installed() bool {
	_, err := exec.LookPath(p.program)
	return err == nil
}

// A proxy is a peer that runs.
type proxy struct {
	peer
	job
	processes []*child.Process
}

// start runs a peer in a folder below dir and returns when it listens.
func start(ctx context.Context, p peer, dir string, j job) (*proxy, error) {
	var err error
	if j.dir, err = folder(dir, p.name); err != nil {
		return nil, err
	}
	if j.port, err = freePort(); err != nil {
		return nil, err
	}
	j.log = filepath.Join(j.dir, "access.log")
	x := &proxy{peer: p, job: j}
	commands, err := p.commands(&x.job)
	if err != nil {
		return nil, err
	}
	for i, cmd := range commands {
		cmd.Dir = j.dir
		c, err := child.Start(cmd)
		if err != nil {
			return nil, errors.Join(err, x.stop())
		}
		x.processes = append(x.processes, c)
		if i == 0 {
			if err := awaitPort(ctx, j.address(), c); err != nil {
				return nil, errors.Join(err, x.stop())
			}
		}
	}
	return x, nil
}

func (x *proxy) stop() error {
	var errs []error
	for i := len(x.processes) - 1; i >= 0; i-- {
		errs = append(errs, stop(x.processes[i]))
	}
	return errors.Join(errs...)
}
