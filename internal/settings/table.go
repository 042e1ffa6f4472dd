package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// A Setting is one row of a table of settings, which fill a C.
type Setting[C any] struct {
	Key     string // section.name in the file
	Flag    string // "" where there is none
	Env     string
	Default string // "" means unset
	List    bool   // a list in the file; in the environment its parts are separated by commas
	Secret  bool   // never shown; the environment variable with _FILE behind it names a file that holds it
	Live    bool   // a reload brings it into force; the others need a restart
	Doc     string
	Example string // as it stands in the file
	Set     func(c *C, value string) error
}

// A Table is all settings of a program, in the order of the documentation.
type Table[C any] []Setting[C]

// An Origin says where a value comes from.
type Origin struct {
	Value string
	From  string // "default", "file", "overrides", "environment", "flag"
}

// Sources are where values come from. All but Getenv may be zero.
type Sources struct {
	File   string // "": none
	Getenv func(string) (string, bool)
	Flags  map[string]string // by key
	// DataKey is the key of the folder that may hold a file of overrides; "": there are none.
	DataKey string
}

// OverridesFile is the name of the file of overrides in the data folder.
const OverridesFile = "overrides.toml"

// Load merges all sources and sets c's fields. Every mistake is reported at once, as an error with
// the code "config".
func (t Table[C]) Load(c *C, from Sources) (map[string]Origin, error) {
	origins := map[string]Origin{}
	for _, s := range t {
		origins[s.Key] = Origin{s.Default, "default"}
	}
	if from.File != "" {
		if err := t.fromFile(origins, from.File, "file"); err != nil {
			return nil, err
		}
	}
	errs := t.fromOutside(origins, from)
	if from.DataKey != "" {
		path := filepath.Join(origins[from.DataKey].Value, OverridesFile)
		if _, err := os.Stat(path); err == nil {
			if err := t.fromFile(origins, path, "overrides"); err != nil {
				return nil, err
			}
			t.fromOutside(origins, from) // these win over the overrides; their mistakes are known
		}
	}
	for _, s := range t {
		o := origins[s.Key]
		if o.Value == "" && o.From == "default" {
			continue
		}
		if err := s.Set(c, o.Value); err != nil {
			shown := strconv.Quote(o.Value)
			if s.Secret {
				shown = hidden
			}
			errs = append(errs, fmt.Errorf("%s = %s (from the %s): %w", s.Key, shown, o.From, err))
		}
	}
	return origins, Mistakes(errs)
}

// Mistakes makes one error of all that is wrong with a configuration; nil of nothing.
func Mistakes(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return &remora.Error{Kind: remora.KindInvalid, Code: "config", Message: "The configuration has mistakes.", Err: errors.Join(errs...)}
}

func (t Table[C]) fromFile(origins map[string]Origin, path, from string) error {
	values, err := t.readFile(path)
	for key, v := range values {
		origins[key] = Origin{v, from}
	}
	return err
}

// fromOutside takes in the environment and the flags.
func (t Table[C]) fromOutside(origins map[string]Origin, from Sources) (errs []error) {
	for _, s := range t {
		if v, ok := from.Getenv(s.Env); ok {
			origins[s.Key] = Origin{v, "environment"}
		} else if path, ok := from.Getenv(s.Env + "_FILE"); ok && s.Secret {
			b, err := os.ReadFile(path)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s_FILE: %w", s.Env, err))
				continue
			}
			origins[s.Key] = Origin{strings.TrimSpace(string(b)), "environment"}
		}
		if v, ok := from.Flags[s.Key]; ok {
			origins[s.Key] = Origin{v, "flag"}
		}
	}
	return errs
}

// Frozen returns the keys whose values differ between two loads and that a reload cannot change.
func (t Table[C]) Frozen(before, after map[string]Origin) (keys []string) {
	for _, s := range t {
		if !s.Live && before[s.Key].Value != after[s.Key].Value {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// Fields splits the value of a list.
func Fields(v string) (list []string) {
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
