package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sugarlabs/beamrider/internal/dbcmd"
	"github.com/sugarlabs/beamrider/internal/filescmd"
	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/remora"
)

// grammar is the command line. Flags that are settings too carry their key; a test holds them
// against the table.
type grammar struct {
	Config   string  `help:"Configuration file (TOML)." placeholder:"FILE" env:"REMORA_CONFIG" type:"path"`
	Data     *string `help:"Folder everything is kept in (./remora-data)." placeholder:"FOLDER" setting:"data.dir"`
	LogLevel *string `help:"What is logged: debug, info, warn or error (info)." placeholder:"LEVEL" setting:"log.level"`

	Serve      serveCmd          `cmd:"" help:"Serve the library." group:"run"`
	Import     importCmd         `cmd:"" help:"Take bundles into the catalog." group:"run"`
	Check      checkCmd          `cmd:"" help:"Check a bundle as the catalog would." group:"run"`
	Catalog    catalogCmd        `cmd:"" help:"See and change what the catalog holds." group:"look after"`
	Collection collectionCmd     `cmd:"" help:"Make lists of activities that laptops install." group:"look after"`
	Backup     backupCmd         `cmd:"" help:"Copy everything into a folder, while the server runs." group:"look after"`
	Restore    restoreCmd        `cmd:"" help:"Make an empty data folder from a backup." group:"look after"`
	DB         dbcmd.Commands    `cmd:"" name:"db" help:"Move the database, and change which server is written to." group:"look after"`
	Files      filescmd.Commands `cmd:"" help:"Check, move and share the bundles and icons." group:"look after"`
	Balancer   balancerCmd       `cmd:"" help:"See and change what the balancer does." group:"look after"`
	Status     statusCmd         `cmd:"" help:"Say what is wrong now, and the next command." group:"look after"`
	Doctor     doctorCmd         `cmd:"" help:"Check how the library is set up." group:"look after"`
	Conf       configCmd         `cmd:"" name:"config" help:"Show the settings in force." group:"look after"`
	Version    versionCmd        `cmd:"" help:"Say which version this is." group:"look after"`
}

// An app is what a command works with.
type app struct {
	config *config
	reload func() (*config, error) // reads the configuration again
	stdout io.Writer
	stderr io.Writer
}

const description = `An activity library for Sugar laptops.

  remora-server serve --samples         try it with a few sample activities
  remora-server import ~/bundles        take in all bundles of a folder
  remora-server catalog why 100001 --sugar 0.98

Every setting can also stand in a file (--config) or the environment; see docs/configuration.md.`

const exitUsage = 2

// run is the whole program; it takes everything from outside as arguments so that tests drive it.
func run(ctx context.Context, args []string, getenv func(string) (string, bool), stdin io.Reader, stdout, stderr io.Writer) (code int) {
	var g grammar
	exited := -1
	parser, err := kong.New(&g,
		kong.Name("remora-server"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ExplicitGroups([]kong.Group{{Key: "run", Title: "Run the library"}, {Key: "look after", Title: "Look after it"}}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "remora-server:", err)
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "remora-server: %v\nRun \"remora-server --help\", or --help behind a command, to see what there is.\n", err)
		return exitUsage
	}
	load := func() (*config, error) { return loadConfig(g.Config, getenv, settingFlags(k)) }
	c, err := load()
	if err == nil {
		a := &app{config: c, reload: load, stdout: stdout, stderr: stderr}
		err = k.Run(a, a.database(), a.files())
	}
	return exitCode(err, stderr)
}

// settingFlags collects the flags that were given and stand for settings.
func settingFlags(k *kong.Context) map[string]string {
	given := map[string]string{}
	for _, f := range k.Flags() {
		key := f.Tag.Get("setting")
		if v, ok := k.FlagValue(f).(*string); ok && key != "" && v != nil {
			given[key] = *v
		}
	}
	return given
}

// exitCode says on stderr what went wrong and returns what the process ends with.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	var quiet *exitError
	if errors.As(err, &quiet) {
		return quiet.code
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "remora-server: stopped before it was done; run it again to finish")
		return 1
	}
	kind := remora.KindOf(err)
	fmt.Fprintln(stderr, "remora-server:", explain(err))
	if e, ok := errors.AsType[*remora.Error](err); ok && strings.HasPrefix(e.Code, "config") {
		return exitUsage
	}
	return kind.Info().ExitCode
}

// explain shows a person the whole chain: who runs a command may see causes.
func explain(err error) string {
	e, ok := errors.AsType[*remora.Error](err)
	if !ok || e.Message == "" {
		return err.Error()
	}
	if e.Err == nil {
		return e.Message
	}
	return e.Message + "\n  " + strings.ReplaceAll(e.Err.Error(), "\n", "\n  ")
}

// An exitError ends the process with a code after the command has said everything itself.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// printJSON writes v as indented JSON.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type versionCmd struct {
	JSON bool `help:"Write JSON."`
}

// A build says which program this is.
type build struct{ Version, Revision, Go string }

func buildInfo() build {
	v := build{Version: "devel"}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Go = info.GoVersion
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = s.Value
			}
		}
	}
	return v
}

func (c *versionCmd) Run(a *app) error {
	v := buildInfo()
	if c.JSON {
		return printJSON(a.stdout, v)
	}
	_, err := fmt.Fprintf(a.stdout, "remora-server %s %s (%s)\n", v.Version, v.Revision, v.Go)
	return err
}

type configCmd struct {
	Show configShowCmd `cmd:"" help:"Show every setting, its value and where that comes from."`
}

type configShowCmd struct {
	JSON bool `help:"Write JSON."`
}

func (c *configShowCmd) Run(a *app) error {
	type row struct{ Key, Value, From string }
	var rows []row
	for _, s := range table {
		o := a.config.origins[s.Key]
		if s.Secret && o.Value != "" {
			o.Value = settings.Secret{}.String()
		}
		rows = append(rows, row{s.Key, o.Value, o.From})
	}
	if c.JSON {
		return printJSON(a.stdout, rows)
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(a.stdout, "%-22s %-28q %s\n", r.Key, r.Value, r.From); err != nil {
			return err
		}
	}
	return nil
}

// printLine writes v as one line of JSON.
func printLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
