package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/sugarlabs/beamrider/internal/keeper"
	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/web"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// A config is the effective value of every setting.
type config struct {
	roles []string

	siteURL   string
	siteHosts []string
	siteName  string
	operator  string
	contact   string
	pagesDir  string // "": the built-in texts
	pseudo    bool
	proxies   []netip.Prefix
	siteKeys  settings.Secret // separated by commas

	listen         string
	drain          time.Duration
	sharePort      bool
	importToken    settings.Secret
	tlsListen      string // "": no TLS
	certificate    string
	certificateKey string
	proxyProtocol  bool

	dataDir  string
	filesURL string // "": files in dataDir
	copyDir  string // "": no local copy
	mirrors  []settings.Named
	copies   int    // of what is stored: 1, 2
	another  string // where the second is; "": copyDir
	copyRate int64  // bytes a second; 0: any number
	keepFree int64  // bytes, where files are; 0: none

	nodes       []mariaurl.Server // none: catalog.sqlite in dataDir
	maxLag      time.Duration
	promoter    mariaurl.Account
	replication mariaurl.Account
	mode        string // available, strict
	automatic   bool
	zone        string

	balancerListen string // "": listen
	backends       []settings.Named
	nodeFile       string // "": none
	inFlight       int
	kept           int64  // bytes
	requestLog     string // "": none
	console        string // "": none

	monitorListen string // "": listen
	targets       []settings.Named
	trackFile     string
	voters        []settings.Named
	voteSecret    settings.Secret

	logLevel  string
	logFormat string

	origins map[string]settings.Origin
}

// The roles a process can have.
const (
	roleFrontend = "frontend"
	roleBalancer = "balancer"
	roleFiles    = "files"
	roleMonitor  = "monitor"
)

func (c *config) has(role string) bool { return slices.Contains(c.roles, role) }

// files returns where bundles and icons are kept, a folder or a URL.
func (c *config) files() string {
	if c.filesURL != "" {
		return c.filesURL
	}
	return filepath.Join(c.dataDir, "files")
}

// mirrorURLs returns where files of other machines are read.
func (c *config) mirrorURLs() (list []string) {
	for _, m := range c.mirrors {
		list = append(list, m.URL)
	}
	return list
}

// second returns where everything is once more; "": nowhere.
func (c *config) second() string {
	if c.copies < 2 {
		return ""
	}
	return cmp.Or(c.another, c.copyDir)
}

func yesNo(of func(*config) *bool) func(*config, string) error {
	return func(c *config, v string) (err error) {
		if *of(c), err = strconv.ParseBool(v); err != nil {
			return errors.New("it must be true or false")
		}
		return nil
	}
}

func text(to func(c *config) *string) func(*config, string) error {
	return func(c *config, v string) error { *to(c) = v; return nil }
}

var table = settings.Table[config]{
	{Key: "server.roles", Flag: "roles", Env: "REMORA_SERVER_ROLES", Default: "frontend,balancer,files,monitor", List: true, Example: `["frontend", "balancer", "files", "monitor"]`,
		Doc: "What this process does. frontend answers laptops and browsers; balancer spreads requests over front ends; files looks after the data files: it removes what nobody wants and keeps the copy of files.copy; monitor watches the machines and tells keepalived whether this one is well.",
		Set: setRoles},
	{Key: "site.url", Env: "REMORA_SITE_URL", Example: `"https://activities.example.org"`,
		Doc: "The public address. Links on pages begin with it. Unset: whatever address a request was sent to, if that is an IP address, localhost or listed in site.hosts.",
		Set: text(func(c *config) *string { return &c.siteURL })},
	{Key: "site.hosts", Env: "REMORA_SITE_HOSTS", List: true, Example: `["schoolserver", "activities.example.org"]`,
		Doc: "Further names the library answers to. A request for any other name gets 421.",
		Set: func(c *config, v string) error { c.siteHosts = settings.Fields(v); return nil }},
	{Key: "site.name", Env: "REMORA_SITE_NAME", Default: "Sugar Activity Library", Example: `"Activities of our school"`,
		Doc: "The name at the top of every page.",
		Set: text(func(c *config) *string { return &c.siteName })},
	{Key: "site.operator", Env: "REMORA_SITE_OPERATOR", Example: `"The computer club of our school"`,
		Doc: "Who runs this library, as the pages About and Contact say.",
		Set: text(func(c *config) *string { return &c.operator })},
	{Key: "site.contact", Env: "REMORA_SITE_CONTACT", Example: `"library@school.example.org"`,
		Doc: "How to reach them: an e-mail address, an address that begins with http:// or https://, or a line of text.",
		Set: func(c *config, v string) error { c.contact = v; return web.CheckContact(v) }},
	{Key: "site.pages", Env: "REMORA_SITE_PAGES", Example: `"/etc/remora/pages"`,
		Doc: "A folder with texts of your own for the pages about, privacy and contact: about.txt, or about.es.txt for one language. Each is plain text in UTF-8 of at most 64 KiB; blank lines part paragraphs, a line that begins with \"# \" is a heading, and addresses become links. Read at start. Unset: the built-in texts.",
		Set: text(func(c *config) *string { return &c.pagesDir })},
	{Key: "site.pseudo_locale", Env: "REMORA_SITE_PSEUDO_LOCALE", Default: "false", Example: `"true"`,
		Doc: "Adds the pages of no language, /en-XA/, which show developers what translators do not get to see. Nobody is led there.",
		Set: yesNo(func(c *config) *bool { return &c.pseudo })},
	{Key: "site.proxies", Env: "REMORA_SITE_PROXIES", Default: "127.0.0.0/8,::1/128", List: true, Example: `["10.0.0.0/24"]`,
		Doc: "Networks of our own machines: reverse proxies and balancers in front, whose X-Forwarded-For and X-Forwarded-Proto headers are believed, and who may see metrics and what machines tell each other.",
		Set: func(c *config, v string) error { return settings.SetPrefixes(&c.proxies, v) }},
	{Key: "site.key", Env: "REMORA_SITE_KEY", Secret: true, Example: `"at-least-32-characters-that-nobody-can-guess"`,
		Doc: "The key of the tokens by which every front end shows a writer at least what it wrote: 32 characters or more, the same on all front ends. Several, separated by commas: the first signs, all are accepted. Unset: one is made and kept in data.dir, which is right for a single front end.",
		Set: func(c *config, v string) error {
			c.siteKeys = settings.NewSecret(v)
			for _, key := range settings.Fields(v) {
				if len(key) < 32 {
					return errors.New("a key has fewer than 32 characters")
				}
			}
			return nil
		}},
	{Key: "http.listen", Flag: "listen", Env: "REMORA_HTTP_LISTEN", Default: "127.0.0.1:8080", Example: `"0.0.0.0:80"`,
		Doc: "The address and port to serve on. The default answers this machine only.",
		Set: func(c *config, v string) error { c.listen = v; return settings.CheckListen(v) }},
	{Key: "http.drain", Env: "REMORA_HTTP_DRAIN", Default: "20s", Example: `"1m"`,
		Doc: "How long downloads in progress may go on after a stop was asked for.",
		Set: func(c *config, v string) error { return settings.SetDuration(&c.drain, v) }},
	{Key: "http.share_port", Env: "REMORA_HTTP_SHARE_PORT", Default: "false", Example: `"true"`,
		Doc: "Lets another process of the same user listen on the same port at the same time, so that a new server can take over while the old one finishes. Off, a second server says that the port is taken.",
		Set: yesNo(func(c *config) *bool { return &c.sharePort })},
	{Key: "http.import_token", Env: "REMORA_HTTP_IMPORT_TOKEN", Secret: true, Example: `"at-least-16-characters"`,
		Doc: "Lets machines that know this token send bundles to POST /internal/import: 16 characters or more. Unset: bundles are taken in by commands only.",
		Set: func(c *config, v string) error {
			c.importToken = settings.NewSecret(v)
			if v != "" && len(v) < 16 {
				return errors.New("it has fewer than 16 characters")
			}
			return nil
		}},
	{Key: "http.tls_listen", Env: "REMORA_HTTP_TLS_LISTEN", Example: `"0.0.0.0:443"`,
		Doc: "An address that answers https, in HTTP/1.1 and HTTP/2, besides that of http.listen, or of balancer.listen where it is set. Old laptops know no https: leave them the other. Needs http.certificate.",
		Set: func(c *config, v string) error { c.tlsListen = v; return settings.CheckListen(v) }},
	{Key: "http.certificate", Env: "REMORA_HTTP_CERTIFICATE", Example: `"/etc/remora/fullchain.pem"`,
		Doc: "The certificate for https with what it is signed by, a PEM file. It and the key may be replaced at any time; a pair that does not fit is refused, and the one before stays in use.",
		Set: text(func(c *config) *string { return &c.certificate })},
	{Key: "http.certificate_key", Env: "REMORA_HTTP_CERTIFICATE_KEY", Example: `"/etc/remora/privkey.pem"`,
		Doc: "The private key of http.certificate, a PEM file.",
		Set: text(func(c *config) *string { return &c.certificateKey })},
	{Key: "http.proxy_protocol", Env: "REMORA_HTTP_PROXY_PROTOCOL", Default: "false", Example: `"true"`,
		Doc: "Expects a PROXY header, version 1 or 2, at the start of each connection to the balancer, which only proxies in site.proxies may send.",
		Set: yesNo(func(c *config) *bool { return &c.proxyProtocol })},
	{Key: "data.dir", Flag: "data", Env: "REMORA_DATA_DIR", Default: "./remora-data", Example: `"/var/lib/remora"`,
		Doc: "The folder everything is kept in. It is made when absent.",
		Set: text(func(c *config) *string { return &c.dataDir })},
	{Key: "files.url", Env: "REMORA_FILES_URL", Live: true, Example: `"nfs://10.0.0.11/srv/remora"`,
		Doc: "Where bundles and icons are kept: a folder, a mount perhaps, or nfs://host/export for a server of NFS version 3 on a private network. Unset: files in data.dir.",
		Set: func(c *config, v string) error { return settings.SetPlace(&c.filesURL, v) }},
	{Key: "files.copy", Env: "REMORA_FILES_COPY", Example: `"/var/lib/remora-copy"`,
		Doc: "A folder on this machine for a copy of everything that is offered. The role files keeps it; front ends read it first, so that downloads go on while files.url is away. Unset: no copy.",
		Set: func(c *config, v string) error { return settings.SetPlace(&c.copyDir, v) }},
	{Key: "files.mirrors", Env: "REMORA_FILES_MIRRORS", List: true, Example: `["second=http://10.0.0.13:8081/internal/files/"]`,
		Doc: "Front ends on other machines that are asked, in this order, for a file which no place of files.copy, files.url and files.second can give, or which is damaged there. They answer with their own copy, or from their own files.url, at /internal/files/; this machine must be in their site.proxies.",
		Set: func(c *config, v string) error { return settings.SetNamed(&c.mirrors, v) }},
	{Key: "files.copies", Env: "REMORA_FILES_COPIES", Default: "1", Example: `"2"`,
		Doc: "In how many places a file is safe before it counts as stored. 2: in files.url and in files.second, so that the loss of one machine loses nothing; while one of both is away nothing can be stored, and downloads go on. What was stored before is brought over by the role files.",
		Set: func(c *config, v string) error { return settings.SetNumber(&c.copies, v, 1, 2) }},
	{Key: "files.second", Env: "REMORA_FILES_SECOND", Example: `"nfs://10.0.0.13/srv/remora"`,
		Doc: "The second place of files.copies = \"2\", on another machine than files.url: a folder, a mount perhaps, or nfs://host/export. All machines that take bundles in must mean the same one. Unset: files.copy.",
		Set: func(c *config, v string) error { return settings.SetPlace(&c.another, v) }},
	{Key: "files.bandwidth", Env: "REMORA_FILES_BANDWIDTH", Default: "0", Example: `"2MB"`,
		Doc: "How much a second the role files reads from files.url at most, to keep the copy of files.copy. What is withdrawn goes at once, whatever is to be copied. 0: any amount.",
		Set: func(c *config, v string) error { return settings.SetSize(&c.copyRate, v) }},
	{Key: "files.reserve", Env: "REMORA_FILES_RESERVE", Default: "0", Example: `"2GB"`,
		Doc: "How much is kept free on each disk that files are stored on: uploads stop before less is left, and everything else goes on. With it room for 1000 more files is kept, where a disk counts them. 0: disks are filled.",
		Set: func(c *config, v string) error { return settings.SetSize(&c.keepFree, v) }},
	{Key: "database.url", Env: "REMORA_DATABASE_URL", Secret: true, Example: `"mysql://remora:password@127.0.0.1:3306/remora"`,
		Doc: "A MariaDB database. Unset, and database.nodes too: the embedded SQLite database catalog.sqlite in data.dir.",
		Set: func(c *config, v string) error { return setNodes(c, v, false) }},
	{Key: "database.nodes", Env: "REMORA_DATABASE_NODES", Secret: true, List: true, Example: `["mysql://remora:password@10.0.0.11/remora?name=beamrider", "mysql://remora:password@10.0.0.13/remora?name=second&weight=2", "mysql://remora:password@10.0.0.12/remora?name=sunjammer&primary=never&reads=never"]`,
		Doc: "All MariaDB servers of the library, in place of database.url. Which is the primary is asked from them; reads go to replicas by weight. Write a comma in a password as %2C.",
		Set: func(c *config, v string) error { return setNodes(c, v, true) }},
	{Key: "database.max_lag", Env: "REMORA_DATABASE_MAX_LAG", Default: "10s", Example: `"30s"`,
		Doc: "A replica that is further behind than this is not read.",
		Set: func(c *config, v string) error { return settings.SetDuration(&c.maxLag, v) }},
	{Key: "database.zone", Env: "REMORA_DATABASE_ZONE", Example: `"beamrider"`,
		Doc: "Where this process is: reads go to servers whose address has the same zone= first, if they are fresh enough. Unset: to all alike.",
		Set: text(func(c *config) *string { return &c.zone })},
	{Key: "database.promote", Env: "REMORA_DATABASE_PROMOTE", Secret: true, Example: `"promoter:password"`,
		Doc: "The account, on every server, that \"db promote\" and \"db rejoin\" use; it may change roles, which the account of the library must not.",
		Set: func(c *config, v string) (err error) { c.promoter, err = mariaurl.ParseAccount(v); return err }},
	{Key: "database.replication", Env: "REMORA_DATABASE_REPLICATION", Secret: true, Example: `"replication:password"`,
		Doc: "The account by which a replica follows the primary; \"db promote\" gives it to the servers that are to follow a new one.",
		Set: func(c *config, v string) (err error) { c.replication, err = mariaurl.ParseAccount(v); return err }},
	{Key: "database.mode", Env: "REMORA_DATABASE_MODE", Default: "available", Example: `"strict"`,
		Doc: "What a write waits for, from \"db prepare\" on. available: for a replica, up to 10 s, then it is kept in one copy. strict: for a replica, however long; it takes three servers, of which one may be small (add primary=never&reads=never to its address).",
		Set: func(c *config, v string) error {
			c.mode = v
			return settings.OneOf(v, string(promote.Available), string(promote.Strict))
		}},
	{Key: "database.automatic", Env: "REMORA_DATABASE_AUTOMATIC", Default: "false", Example: `"true"`,
		Doc: "Whether the monitor promotes a replica by itself when the primary is lost: in mode strict, with three servers, when all others answer and a majority agrees. A file no-failover in data.dir stops that.",
		Set: yesNo(func(c *config) *bool { return &c.automatic })},
	{Key: "balancer.listen", Env: "REMORA_BALANCER_LISTEN", Example: `"0.0.0.0:80"`,
		Doc: "The address the balancer serves on, where the front end of the same process must be reachable on http.listen besides. Unset: http.listen, with the front end behind the balancer.",
		Set: func(c *config, v string) error { c.balancerListen = v; return settings.CheckListen(v) }},
	{Key: "balancer.backends", Env: "REMORA_BALANCER_BACKENDS", List: true, Live: true, Example: `["beamrider=http://10.0.0.11:8081", "sunjammer=http://10.0.0.12:8081"]`,
		Doc: "Front ends of other processes and machines, besides that of this process if it has one.",
		Set: func(c *config, v string) error { return settings.SetNamed(&c.backends, v) }},
	{Key: "balancer.nodes", Env: "REMORA_BALANCER_NODES", Example: `"/etc/remora/frontends"`,
		Doc: "A file with more front ends, one a line: an address like 10.0.0.11:8081, perhaps with weight=3, max=20 (requests at a time), name=beamrider, backup or disabled behind it; # begins a comment. It may be changed at any time; a file with a mistake changes nothing.",
		Set: text(func(c *config) *string { return &c.nodeFile })},
	{Key: "balancer.in_flight", Env: "REMORA_BALANCER_IN_FLIGHT", Default: "0", Example: `"200"`,
		Doc: "How many requests each front end serves at a time; others wait for at most 10 seconds. 0: any number.",
		Set: func(c *config, v string) error { return settings.SetNumber(&c.inFlight, v, 0, 1_000_000) }},
	{Key: "balancer.kept", Env: "REMORA_BALANCER_KEPT", Default: "0", Example: `"64MB"`,
		Doc: "How much memory the balancer takes for answers that it gives again without asking a front end, until the catalog changes. Downloads among them are counted all the same. It pays where front ends are on other machines. 0: none.",
		Set: func(c *config, v string) error { return settings.SetSize(&c.kept, v) }},
	{Key: "balancer.log", Env: "REMORA_BALANCER_LOG", Example: `"/var/log/remora/requests.log"`,
		Doc: "A file that gets a line of JSON for each request: who was asked, how long each part took, why it ended. After the file was renamed, SIGHUP begins a new one. Unset: none.",
		Set: text(func(c *config) *string { return &c.requestLog })},
	{Key: "balancer.console", Env: "REMORA_BALANCER_CONSOLE", Example: `"/run/remora/console"`,
		Doc: "A Unix socket by which \"remora-server balancer\" talks to the running balancer: only the user it runs as may. Unset: none.",
		Set: text(func(c *config) *string { return &c.console })},
	{Key: "monitor.listen", Env: "REMORA_MONITOR_LISTEN", Example: `"10.0.0.13:8090"`,
		Doc: "The address the monitor's page is on, at /internal/monitor. Unset: that of http.listen.",
		Set: func(c *config, v string) error { c.monitorListen = v; return settings.CheckListen(v) }},
	{Key: "monitor.targets", Env: "REMORA_MONITOR_TARGETS", List: true, Example: `["sunjammer=http://10.0.0.12:8081/internal/status"]`,
		Doc: "What the monitor and \"status\" ask on other machines. The page must answer 200.",
		Set: func(c *config, v string) error { return settings.SetNamed(&c.targets, v) }},
	{Key: "monitor.track_file", Env: "REMORA_MONITOR_TRACK_FILE", Example: `"/run/remora/track"`,
		Doc: "The file that keepalived reads by vrrp_track_file: 0 while the balancer of this machine answers at the port of balancer.listen (or http.listen), else 1.",
		Set: text(func(c *config) *string { return &c.trackFile })},
	{Key: "monitor.voters", Env: "REMORA_MONITOR_VOTERS", List: true, Example: `["sunjammer=http://10.0.0.12:8090/internal/vote"]`,
		Doc: "Monitors on other machines that have a vote beside the database servers when a primary is to be replaced. This machine must be in their site.proxies.",
		Set: func(c *config, v string) error { return settings.SetNamed(&c.voters, v) }},
	{Key: "monitor.vote_secret", Env: "REMORA_MONITOR_VOTE_SECRET", Secret: true, Example: `"a random text of 16 bytes or more"`,
		Doc: "What monitors that vote have in common; with it this one lends its vote, at /internal/vote. Unset: it does not.",
		Set: func(c *config, v string) error { c.voteSecret = settings.NewSecret(v); return nil }},
	{Key: "log.level", Flag: "log-level", Env: "REMORA_LOG_LEVEL", Default: "info", Example: `"debug"`,
		Doc: "What is logged: debug (every request too), info, warn or error.",
		Set: func(c *config, v string) error {
			c.logLevel = v
			return settings.OneOf(v, "debug", "info", "warn", "error")
		}},
	{Key: "log.format", Env: "REMORA_LOG_FORMAT", Default: "auto", Example: `"json"`,
		Doc: "How the log is written: text, json, or auto: text on a terminal, json elsewhere.",
		Set: func(c *config, v string) error { c.logFormat = v; return settings.OneOf(v, "auto", "text", "json") }},
}

// loadConfig merges defaults, the file, what commands have overridden, the environment and flags,
// in that order, and returns every mistake at once.
func loadConfig(file string, getenv func(string) (string, bool), flags map[string]string) (*config, error) {
	c := &config{}
	origins, err := table.Load(c, settings.Sources{File: file, Getenv: getenv, Flags: flags, DataKey: "data.dir"})
	if err == nil {
		err = settings.Mistakes(c.check())
	}
	if err != nil {
		return nil, err
	}
	c.origins = origins
	return c, nil
}

// check looks at what single settings cannot tell.
func (c *config) check() (errs []error) {
	if _, err := c.site(); err != nil {
		errs = append(errs, err)
	}
	if !c.has(roleFrontend) && c.has(roleBalancer) && len(c.backends) == 0 && c.nodeFile == "" {
		errs = append(errs, errors.New("server.roles has balancer without frontend, and neither balancer.backends nor balancer.nodes names a front end to send requests to"))
	}
	if (c.certificate == "") != (c.certificateKey == "") || c.tlsListen != "" && c.certificate == "" {
		errs = append(errs, errors.New("http.tls_listen, http.certificate and http.certificate_key belong together; set all of them or none"))
	}
	if !c.has(roleBalancer) && (c.tlsListen != "" || c.proxyProtocol || c.nodeFile != "" || c.kept != 0 || c.inFlight != 0 || c.requestLog != "") {
		errs = append(errs, errors.New("http.tls_listen, http.proxy_protocol, balancer.nodes, balancer.kept, balancer.in_flight and balancer.log are the balancer's; server.roles has no balancer"))
	}
	if c.copies > 1 && (c.second() == "" || c.second() == c.files()) {
		errs = append(errs, errors.New("files.copies = \"2\" needs a second place, in files.second or files.copy, which is not that of files.url"))
	}
	if c.trackFile != "" && !c.has(roleMonitor) {
		errs = append(errs, errors.New("monitor.track_file is written by the monitor; server.roles has no monitor"))
	}
	// Other processes may share the file, without the account that changes roles.
	if c.has(roleMonitor) && (c.automatic || len(c.voters) > 0 || c.voteSecret.Text() != "") {
		errs = append(errs, c.checkKeeper()...)
	}
	return errs
}

// checkKeeper tells mistakes at the start, not when the primary is lost.
func (c *config) checkKeeper() []error {
	if len(c.nodes) < 2 || c.promoter == (mariaurl.Account{}) || c.replication == (mariaurl.Account{}) {
		return []error{errors.New("database.automatic, monitor.voters and monitor.vote_secret are for several database servers; they need database.nodes, database.promote and database.replication besides, in the processes with the role monitor")}
	}
	if c.automatic && (c.mode != string(promote.Strict) || len(c.nodes) < 3) {
		return []error{errors.New("database.automatic needs database.mode = \"strict\" and three servers in database.nodes: else nobody can know what a lost primary had acknowledged alone; promote by hand")}
	}
	if _, err := keeper.Open(c.keeper()); err != nil {
		return []error{err}
	}
	return nil
}

func (c *config) site() (*site.Site, error) {
	return site.New(site.Config{URL: c.siteURL, Hosts: c.siteHosts, Proxies: c.proxies})
}

func setRoles(c *config, v string) error {
	c.roles = settings.Fields(v)
	for _, role := range c.roles {
		if err := settings.OneOf(role, roleFrontend, roleBalancer, roleFiles, roleMonitor); err != nil {
			return fmt.Errorf("%q: %w", role, err)
		}
	}
	if len(c.roles) == 0 {
		return errors.New("a process without a role does nothing")
	}
	return nil
}

// setNodes reads one address, or several separated by commas.
func setNodes(c *config, v string, several bool) error {
	list := []string{v}
	if several {
		list = settings.Fields(v)
	} else if v == "" {
		return nil
	}
	if len(c.nodes) > 0 {
		return errors.New("database.url is set too; set one of both")
	}
	for i, raw := range list {
		s, err := mariaurl.Parse(raw)
		if err != nil && several {
			return fmt.Errorf("address %d: %w", i+1, err)
		}
		if err != nil {
			return err
		}
		if slices.ContainsFunc(c.nodes, func(n mariaurl.Server) bool { return n.Name == s.Name }) {
			return fmt.Errorf("two servers are called %q; name them by ?name=", s.Name)
		}
		c.nodes = append(c.nodes, s)
	}
	return nil
}
