package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/balance"
)

// A command is a line in parts.
type command struct {
	verb string   // such as "node drain"
	args []string // the words after it
	json bool
}

// A verb is what can be said.
type verb struct {
	name        string
	least, most int    // words after it
	args        string // for help
	does        string
	changes     bool
}

var verbs = []verb{
	{"help", 0, 0, "", "lists the commands", false},
	{"summary", 0, 0, "", "says how the pool is", false},
	{"show pool", 0, 0, "", "shows each backend with its state and why (also: pools, nodes, backends)", false},
	{"states", 0, 0, "", "shows how many backends are in each state", false},
	{"queues", 0, 0, "", "shows who waits for a backend", false},
	{"stats", 0, 0, "", "shows the counters", false},
	{"timings", 0, 0, "", "shows how long requests take", false},
	{"uptime", 0, 0, "", "says since when the balancer runs", false},
	{"version", 0, 0, "", "says what it is", false},
	{"pool add", 2, 5, "NAME URL [weight=N] [limit=N] [backup]", "adds a backend", true},
	{"pool remove", 1, 1, "NAME", "takes a backend away; its requests finish", true},
	{"node drain", 1, 2, "NAME [SECONDS]", "gives a backend no new requests, and waits for those it has", true},
	{"node undrain", 1, 1, "NAME", "gives it requests again", true},
	{"node disable", 1, 50, "NAME [REASON]", "gives a backend no requests, even when all others are gone", true},
	{"node enable", 1, 1, "NAME", "ends that", true},
	{"node weight", 2, 2, "NAME N", "sets the share of a backend", true},
	{"purge url", 1, 1, "URL", "makes the cache forget a URL", true},
	{"purge tag", 1, 1, "TAG", "makes it forget what has a tag", true},
	{"purge all", 0, 0, "", "makes it forget everything", true},
	{"shutdown graceful", 0, 0, "", "stops the process when its requests are done", true},
	{"quit", 0, 0, "", "closes the connection", false},
}

// synonyms are how Perlbal calls it, and what one types.
var synonyms = map[string]string{
	"show pools": "show pool", "show nodes": "show pool", "show backends": "show pool", "pools": "show pool", "nodes": "show pool", "backends": "show pool",
	"show states": "states", "show queues": "queues", "show stats": "stats", "exit": "quit",
}

// parse takes a line apart. Its errors are sentences for who has typed it.
func parse(line string) (command, verb, error) {
	if !utf8.ValidString(line) || strings.ContainsFunc(strings.TrimRight(line, "\r\n"), func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
		return command{}, verb{}, plain("The command has characters that are not text. Type it again.")
	}
	words := strings.Fields(line)
	var c command
	if n := len(words); n > 1 && words[n-1] == "json" {
		c.json, words = true, words[:n-1]
	}
	if len(words) == 0 {
		return c, verb{}, plain("There is no command. Type help for a list.")
	}
	for n := min(2, len(words)); n > 0; n-- {
		name := strings.ToLower(strings.Join(words[:n], " "))
		if s, ok := synonyms[name]; ok {
			name = s
		}
		for _, v := range verbs {
			if v.name != name {
				continue
			}
			c.verb, c.args = name, words[n:]
			if len(c.args) < v.least || len(c.args) > v.most {
				return c, v, plainf("It must be: %s.", v.usage())
			}
			return c, v, nil
		}
	}
	return c, verb{}, plainf("There is no command %s. Type help for a list.", strconv.Quote(clip(strings.Join(words[:min(2, len(words))], " "))))
}

func (v verb) usage() string { return strings.TrimSuffix(v.name+" "+v.args, " ") }

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// backend makes a backend of the words after "pool add".
func backend(args []string) (balance.Backend, error) {
	b := balance.Backend{Name: args[0], URL: args[1]}
	for _, arg := range args[2:] {
		name, value, _ := strings.Cut(arg, "=")
		var to *int
		switch {
		case arg == "backup":
			b.Backup = true
			continue
		case name == "weight":
			to = &b.Weight
		case name == "limit":
			to = &b.MaxInFlight
		default:
			return b, plainf("What %s means is not known; there are weight=N, limit=N and backup.", strconv.Quote(clip(arg)))
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return b, plainf("The %s must be a whole number from 1 on.", name)
		}
		*to = n
	}
	return b, nil
}

// An answer is what comes back.
type answer struct {
	text  string // lines
	value any    // for JSON
	json  bool
	err   error
}

// bytes is the answer as it is sent. What comes from elsewhere, such as errors of backends, cannot end it.
func (a answer) bytes() []byte {
	var b bytes.Buffer
	switch {
	case a.err != nil:
		b.WriteString("ERR " + sentence(a.err) + "\n")
	case a.json:
		text, err := json.Marshal(a.value)
		if err != nil {
			return answer{err: err}.bytes()
		}
		b.Write(append(text, '\n'))
	default:
		for line := range strings.SplitSeq(strings.TrimSuffix(a.text, "\n"), "\n") {
			if strings.HasPrefix(line, ".") {
				b.WriteByte('.')
			}
			b.WriteString(printable(line) + "\n")
		}
	}
	b.WriteString(".\n")
	return b.Bytes()
}

// A plain error is a sentence for who has typed a command.
type plain string

func (p plain) Error() string { return string(p) }

func plainf(format string, args ...any) error { return plain(fmt.Sprintf(format, args...)) }

// sentence makes one line of an error.
func sentence(err error) string {
	s := printable(strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " "))
	for _, area := range []string{"balance: ", "cache: "} {
		s = strings.ReplaceAll(s, area, "")
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// printable keeps from the terminal what would do something there.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
