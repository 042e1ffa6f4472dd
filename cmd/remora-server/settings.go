package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/site"
)

// A config is the effective value of every setting.
type config struct {
	siteURL   string
	siteHosts []string
	siteName  string
	proxies   []netip.Prefix

	listen string
	drain  time.Duration

	dataDir  string
	filesDir string // "": files in dataDir
	database secret // "": catalog.sqlite in dataDir

	logLevel  string
	logFormat string
}

// filesFolder returns the folder that bundles and icons are kept in.
func (c *config) filesFolder() string {
	if c.filesDir != "" {
		return c.filesDir
	}
	return filepath.Join(c.dataDir, "files")
}

// A setting is one row of the table that the configuration file, the environment, the flags, the
// documentation and the checks are all made from.
type setting struct {
	key     string // section.name in the file
	flag    string // "" where there is none
	env     string
	def     string // "" means unset
	list    bool   // a list in the file; in the environment its parts are separated by commas
	secret  bool   // never shown; the environment variable with _FILE behind it names a file that holds it
	doc     string
	example string
	set     func(c *config, value string) error
}

var settings = []setting{
	{key: "site.url", env: "REMORA_SITE_URL", example: `"https://activities.example.org"`,
		doc: "The public address. Links on pages begin with it. Unset: whatever address a request was sent to, if that is an IP address, localhost or listed in site.hosts.",
		set: func(c *config, v string) error { c.siteURL = v; return nil }},
	{key: "site.hosts", env: "REMORA_SITE_HOSTS", list: true, example: `["schoolserver", "activities.example.org"]`,
		doc: "Further names the library answers to. A request for any other name gets 421.",
		set: func(c *config, v string) error { c.siteHosts = fields(v); return nil }},
	{key: "site.name", env: "REMORA_SITE_NAME", def: "Sugar Activity Library", example: `"Activities of our school"`,
		doc: "The name at the top of every page.",
		set: func(c *config, v string) error { c.siteName = v; return nil }},
	{key: "site.proxies", env: "REMORA_SITE_PROXIES", def: "127.0.0.0/8,::1/128", list: true, example: `["10.0.0.0/24"]`,
		doc: "Networks of reverse proxies in front, whose X-Forwarded-For and X-Forwarded-Proto headers are believed.",
		set: func(c *config, v string) error { return setPrefixes(&c.proxies, v) }},
	{key: "http.listen", flag: "listen", env: "REMORA_HTTP_LISTEN", def: "127.0.0.1:8080", example: `"0.0.0.0:80"`,
		doc: "The address and port to serve on. The default answers this machine only.",
		set: func(c *config, v string) error { c.listen = v; return checkListen(v) }},
	{key: "http.drain", env: "REMORA_HTTP_DRAIN", def: "20s", example: `"1m"`,
		doc: "How long downloads in progress may go on after a stop was asked for.",
		set: func(c *config, v string) error { return setDuration(&c.drain, v) }},
	{key: "data.dir", flag: "data", env: "REMORA_DATA_DIR", def: "./remora-data", example: `"/var/lib/remora"`,
		doc: "The folder everything is kept in. It is made when absent.",
		set: func(c *config, v string) error { c.dataDir = v; return nil }},
	{key: "files.dir", env: "REMORA_FILES_DIR", example: `"/srv/remora-files"`,
		doc: "The folder bundles and icons are kept in, a mount perhaps. Unset: files in data.dir.",
		set: func(c *config, v string) error { c.filesDir = v; return nil }},
	{key: "database.url", env: "REMORA_DATABASE_URL", secret: true, example: `"mysql://remora:password@127.0.0.1:3306/remora"`,
		doc: "A MariaDB database. Unset: the embedded SQLite database catalog.sqlite in data.dir.",
		set: func(c *config, v string) error { c.database = secret{v}; return checkDatabase(v) }},
	{key: "log.level", flag: "log-level", env: "REMORA_LOG_LEVEL", def: "info", example: `"debug"`,
		doc: "What is logged: debug (every request too), info, warn or error.",
		set: func(c *config, v string) error { c.logLevel = v; return oneOf(v, "debug", "info", "warn", "error") }},
	{key: "log.format", env: "REMORA_LOG_FORMAT", def: "auto", example: `"json"`,
		doc: "How the log is written: text, json, or auto: text on a terminal, json elsewhere.",
		set: func(c *config, v string) error { c.logFormat = v; return oneOf(v, "auto", "text", "json") }},
}

// origin says where a setting's value comes from.
type origin struct {
	value string
	from  string // "default", "file", "environment", "flag"
}

// loadConfig merges defaults, the file, the environment and flags, in that order, and returns
// every mistake at once.
func loadConfig(file string, getenv func(string) (string, bool), flags map[string]string) (*config, map[string]origin, error) {
	origins := map[string]origin{}
	for _, s := range settings {
		origins[s.key] = origin{s.def, "default"}
	}
	var errs []error
	if file != "" {
		values, err := readConfigFile(file)
		if err != nil {
			return nil, nil, err
		}
		for key, v := range values {
			origins[key] = origin{v, "file"}
		}
	}
	for _, s := range settings {
		if v, ok := getenv(s.env); ok {
			origins[s.key] = origin{v, "environment"}
		} else if path, ok := getenv(s.env + "_FILE"); ok && s.secret {
			b, err := os.ReadFile(path)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s_FILE: %w", s.env, err))
				continue
			}
			origins[s.key] = origin{strings.TrimSpace(string(b)), "environment"}
		}
		if v, ok := flags[s.key]; ok {
			origins[s.key] = origin{v, "flag"}
		}
	}
	c := &config{}
	for _, s := range settings {
		o := origins[s.key]
		if o.value == "" && o.from == "default" {
			continue
		}
		if err := s.set(c, o.value); err != nil {
			shown := strconv.Quote(o.value)
			if s.secret {
				shown = hidden
			}
			errs = append(errs, fmt.Errorf("%s = %s (from the %s): %w", s.key, shown, o.from, err))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, c.check()...)
	}
	if len(errs) > 0 {
		return nil, nil, &remora.Error{Kind: remora.KindInvalid, Code: "config", Message: "The configuration has mistakes.", Err: errors.Join(errs...)}
	}
	return c, origins, nil
}

// check looks at what single settings cannot tell.
func (c *config) check() (errs []error) {
	if _, err := c.site(); err != nil {
		errs = append(errs, err)
	}
	if c.database.text() != "" {
		if _, err := mariaDSN(c.database.text()); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (c *config) site() (*site.Site, error) {
	return site.New(site.Config{URL: c.siteURL, Hosts: c.siteHosts, Proxies: c.proxies})
}

// readConfigFile reads a TOML file in which only the keys of the table may stand.
func readConfigFile(path string) (map[string]string, error) {
	fail := func(err error) error {
		return &remora.Error{Kind: remora.KindInvalid, Code: "config.file", Message: "The configuration file " + path + " cannot be used.", Err: err}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fail(err)
	}
	defer f.Close()
	into := reflect.New(fileType()).Interface()
	err = toml.NewDecoder(f).DisallowUnknownFields().Decode(into)
	if err != nil {
		return nil, fail(tomlMistake(err))
	}
	return fileValues(reflect.ValueOf(into).Elem()), nil
}

// tomlMistake says where a TOML file is wrong. It shows keys and lines, never a line's text, which
// may hold a password.
func tomlMistake(err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var errs []error
		for i := range strict.Errors {
			line, _ := strict.Errors[i].Position()
			errs = append(errs, fmt.Errorf("line %d: there is no key %s", line, strings.Join(strict.Errors[i].Key(), ".")))
		}
		return errors.Join(errs...)
	}
	if detail, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := detail.Position()
		if key := strings.Join(detail.Key(), "."); key != "" {
			return fmt.Errorf("line %d: %s has a value of the wrong kind; it wants a text in quotes, or a list of them", line, key)
		}
		return fmt.Errorf("line %d, column %d: this is not TOML: %s", line, column, strings.TrimPrefix(detail.Error(), "toml: "))
	}
	return err
}

// fileType makes the struct that a configuration file is decoded into, from the table, so that the
// decoder itself names the line of a key that does not exist.
func fileType() reflect.Type {
	var order []string
	sections := map[string][]reflect.StructField{}
	for _, s := range settings {
		section, name, _ := strings.Cut(s.key, ".")
		if sections[section] == nil {
			order = append(order, section)
		}
		t := reflect.TypeFor[*string]()
		if s.list {
			t = reflect.TypeFor[*[]string]()
		}
		sections[section] = append(sections[section], tomlField(name, t))
	}
	var fields []reflect.StructField
	for _, section := range order {
		fields = append(fields, tomlField(section, reflect.StructOf(sections[section])))
	}
	return reflect.StructOf(fields)
}

func tomlField(name string, t reflect.Type) reflect.StructField {
	return reflect.StructField{Name: "X" + strings.ReplaceAll(name, "-", "_"), Type: t, Tag: reflect.StructTag(`toml:"` + name + `"`)}
}

func fileValues(v reflect.Value) map[string]string {
	values := map[string]string{}
	for i := range v.NumField() {
		section := v.Type().Field(i).Tag.Get("toml")
		for j := range v.Field(i).NumField() {
			key := section + "." + v.Field(i).Type().Field(j).Tag.Get("toml")
			switch x := v.Field(i).Field(j).Interface().(type) {
			case *string:
				if x != nil {
					values[key] = *x
				}
			case *[]string:
				if x != nil {
					values[key] = strings.Join(*x, ",")
				}
			}
		}
	}
	return values
}

func fields(v string) (list []string) {
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

func setPrefixes(to *[]netip.Prefix, v string) error {
	list := []netip.Prefix{}
	for _, part := range fields(v) {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return fmt.Errorf("%q is not a network such as 10.0.0.0/24", part)
		}
		list = append(list, p)
	}
	*to = list
	return nil
}

func setDuration(to *time.Duration, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return errors.New("it must be a length of time such as 20s or 5m")
	}
	*to = d
	return nil
}

func checkListen(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("it must be an address and a port, such as 127.0.0.1:8080 or :80")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("%q is not a port number", port)
	}
	return nil
}

func checkDatabase(v string) error {
	if v != "" && !strings.HasPrefix(v, "mysql://") {
		return errors.New("it must begin with mysql://, as in mysql://user:password@host:3306/database")
	}
	return nil
}

func oneOf(v string, known ...string) error {
	for _, k := range known {
		if v == k {
			return nil
		}
	}
	return fmt.Errorf("it must be one of %s", strings.Join(known, ", "))
}
