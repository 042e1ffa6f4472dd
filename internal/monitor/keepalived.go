package monitor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a keepalived.conf that is read.
const (
	maxConf      = 1 << 20 // bytes
	maxConfDepth = 16
)

// A Directive is one line of a keepalived.conf, with the lines in its braces.
type Directive struct {
	Line  int // from 1
	Words []string
	Block []Directive
}

// ParseKeepalived reads the text of a keepalived.conf (keepalived.conf(5)): lines of words, blocks in
// braces, comments behind # and !, words in double quotes. It does not follow include. Errors name the
// line and never show its text, which may be a password.
func ParseKeepalived(text string) ([]Directive, error) {
	if len(text) > maxConf {
		return nil, fmt.Errorf("monitor: a keepalived.conf of more than %d bytes is not read", maxConf)
	}
	root := &Directive{}
	open := []*Directive{root}
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		words, closed := confWords(line)
		if !closed {
			return nil, fmt.Errorf("monitor: line %d: a quote is not closed", number)
		}
		var now []string
		flush := func() {
			if len(now) > 0 {
				top := open[len(open)-1]
				top.Block = append(top.Block, Directive{Line: number, Words: now})
				now = nil
			}
		}
		for _, w := range words {
			switch w.text {
			case "{":
				if w.quoted {
					now = append(now, w.text)
					continue
				}
				flush()
				top := open[len(open)-1]
				if len(top.Block) == 0 {
					return nil, fmt.Errorf("monitor: line %d: a block has no name", number)
				}
				if len(open) > maxConfDepth {
					return nil, fmt.Errorf("monitor: line %d: blocks are nested too deeply", number)
				}
				open = append(open, &top.Block[len(top.Block)-1])
			case "}":
				if w.quoted {
					now = append(now, w.text)
					continue
				}
				flush()
				if len(open) == 1 {
					return nil, fmt.Errorf("monitor: line %d: a block is closed that was not opened", number)
				}
				open = open[:len(open)-1]
			default:
				now = append(now, w.text)
			}
		}
		flush()
	}
	if len(open) > 1 {
		return nil, fmt.Errorf("monitor: line %d: the block that begins here is not closed", open[len(open)-1].Line)
	}
	return root.Block, nil
}

type confWord struct {
	text   string
	quoted bool
}

// confWords cuts a line into words; braces are words of their own. false: a quote is not closed.
func confWords(line string) (words []confWord, closed bool) {
	var b strings.Builder
	begun, quoted, inside := false, false, false
	end := func() {
		if begun {
			words = append(words, confWord{b.String(), quoted})
		}
		b.Reset()
		begun, quoted = false, false
	}
	for _, r := range line {
		switch {
		case inside && r == '"':
			inside = false
		case inside:
			b.WriteRune(r)
		case r == '"':
			begun, quoted, inside = true, true, true
		case r == '#' || r == '!':
			end()
			return words, true
		case r == ' ' || r == '\t' || r == '\r':
			end()
		case r == '{' || r == '}':
			end()
			words = append(words, confWord{string(r), false})
		default:
			begun = true
			b.WriteRune(r)
		}
	}
	end()
	return words, !inside
}

// find returns the directives of a block whose first word is one of names.
func find(block []Directive, names ...string) []Directive {
	var out []Directive
	for _, d := range block {
		if slices.Contains(names, d.Words[0]) {
			out = append(out, d)
		}
	}
	return out
}

// value returns the word behind the last directive of a name; "" when there is none.
func value(block []Directive, names ...string) string {
	list := find(block, names...)
	if len(list) == 0 || len(list[len(list)-1].Words) < 2 {
		return ""
	}
	return list[len(list)-1].Words[1]
}

// has tells whether a switch is on: it is there alone, or with a word that means yes.
func has(block []Directive, name string) bool {
	list := find(block, name)
	if len(list) == 0 {
		return false
	}
	last := list[len(list)-1]
	return len(last.Words) < 2 || slices.Contains([]string{"true", "yes", "on"}, strings.ToLower(last.Words[1]))
}

// Keepalived is what a doctor looks at of keepalived.
type Keepalived struct {
	Text string // of keepalived.conf
	// TrackFile is the file that the monitor writes, Address the shared address without its length; ""
	// where it is not known.
	TrackFile, Address string
}

// Results judges the settings. Texts of results hold names, numbers and paths of the file, never its
// lines.
func (k Keepalived) Results() []Result {
	var out []Result
	add := func(level Level, summary, next string) {
		out = append(out, Result{Name: "keepalived", Finding: Finding{Level: level, Summary: summary, Next: next}})
	}
	conf, err := ParseKeepalived(k.Text)
	if err != nil {
		add(Bad, "keepalived.conf cannot be read: "+strings.TrimPrefix(err.Error(), "monitor: ")+".", "keepalived --config-test")
		return out
	}
	if len(find(conf, "include", "includer", "includem")) > 0 {
		add(Unknown, "keepalived.conf includes other files, which were not looked at.", "Put everything into one file, and run this again.")
	}
	var global []Directive
	for _, g := range find(conf, "global_defs") {
		global = append(global, g.Block...)
	}
	if !has(global, "vrrp_higher_prio_send_advert") {
		add(Bad, "After a cut between the two machines is mended, the address may go on answering nowhere: the winner does not announce itself.", "In global_defs: vrrp_higher_prio_send_advert true")
	}
	instances := find(conf, "vrrp_instance")
	if len(instances) == 0 {
		add(Bad, "keepalived.conf has no vrrp_instance, so there is no shared address.", "Write one as in docs/operations.md.")
	}
	for _, i := range instances {
		k.instance(conf, global, i, add)
	}
	if len(out) == 0 {
		add(OK, "keepalived is set up as it should be.", "")
	}
	return out
}

func (k Keepalived) instance(conf, global []Directive, i Directive, add func(Level, string, string)) {
	name := "without a name"
	if len(i.Words) > 1 {
		name = i.Words[1]
	}
	where := "In vrrp_instance " + name + ": "
	if state := value(i.Block, "state"); state != "" && state != "BACKUP" || !has(i.Block, "nopreempt") {
		add(Warn, "The instance "+name+" takes the address back as soon as it can, so it moves twice for each fault.", where+"state BACKUP and nopreempt, on both machines")
	}
	if p, err := strconv.Atoi(value(i.Block, "priority")); err != nil || p != 254 && p != 250 {
		add(Warn, "The priority of the instance "+name+" is neither 254 nor 250: the lower it is, the later the other machine takes over (RFC 9568, section 6.1).", where+"priority 254 on the first machine, 250 on the second")
	}
	version := value(i.Block, "version")
	if version == "" {
		version = value(global, "vrrp_version")
	}
	if advert := value(i.Block, "advert_int"); strings.Contains(advert, ".") && version != "3" {
		add(Warn, "The instance "+name+" asks for a fraction of a second between adverts, which VRRP version 2 rounds to whole seconds.", "In global_defs: vrrp_version 3")
	}
	if k.Address != "" && !slices.ContainsFunc(find(i.Block, "virtual_ipaddress"), func(d Directive) bool {
		return slices.ContainsFunc(d.Block, func(a Directive) bool {
			addr, _, _ := strings.Cut(a.Words[0], "/")
			return addr == k.Address
		})
	}) {
		add(Warn, "The instance "+name+" does not hold the address "+k.Address+".", where+"virtual_ipaddress, with "+k.Address+" in it")
	}
	k.tracks(conf, i, name, where, add)
}

// tracks judges the track file of an instance.
func (k Keepalived) tracks(conf []Directive, i Directive, name, where string, add func(Level, string, string)) {
	used := map[string]string{} // file name → weight given in the instance
	for _, t := range find(i.Block, "track_file") {
		for _, d := range t.Block {
			used[d.Words[0]] = ""
			if at := slices.Index(d.Words, "weight"); at >= 0 && at+1 < len(d.Words) {
				used[d.Words[0]] = d.Words[at+1]
			}
		}
	}
	found := false
	for _, t := range find(conf, "vrrp_track_file", "track_file") {
		if len(t.Words) < 2 {
			continue
		}
		weight, tracked := used[t.Words[1]]
		path := value(t.Block, "file")
		if !tracked || k.TrackFile != "" && path != k.TrackFile {
			continue
		}
		found = true
		if weight == "" {
			weight = value(t.Block, "weight")
		}
		if weight != "0" {
			add(Bad, "The track file has a weight other than 0 (or none, which means 1): a fault would change the priority and not take the machine out.", "In the block track_file "+t.Words[1]+": weight 0")
		}
	}
	if !found {
		path := k.TrackFile
		if path == "" {
			path = "of monitor.track_file"
		}
		add(Bad, "The instance "+name+" does not follow the monitor's track file: with a dead balancer the address would stay here.",
			"At the top: track_file beamrider { file "+path+" and weight 0 }, each on a line of its own; "+strings.ToLower(where[:1])+where[1:]+"track_file { beamrider }")
	}
}
