package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/sugarlabs/beamrider/internal/durable"
	"github.com/sugarlabs/beamrider/remora"
)

// readFile reads a TOML file in which only the keys of the table may stand.
func (t Table[C]) readFile(path string) (map[string]string, error) {
	fail := func(err error) error {
		return &remora.Error{Kind: remora.KindInvalid, Code: "config.file", Message: "The configuration file " + path + " cannot be used.", Err: err}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fail(err)
	}
	defer f.Close()
	into := reflect.New(t.fileType()).Interface()
	if err = toml.NewDecoder(f).DisallowUnknownFields().Decode(into); err != nil {
		return nil, fail(Mistake(err))
	}
	return fileValues(reflect.ValueOf(into).Elem()), nil
}

// Override sets values in the file of overrides, keeping the others; an empty value takes one away.
// The file is replaced as a whole and durably.
func (t Table[C]) Override(path string, values map[string]string) error {
	all := map[string]string{}
	if _, err := os.Stat(path); err == nil {
		if all, err = t.readFile(path); err != nil {
			return err
		}
	}
	for key, v := range values {
		all[key] = v
	}
	sections := map[string]map[string]any{}
	for _, s := range t {
		v := all[s.Key]
		if v == "" {
			continue
		}
		section, name, _ := strings.Cut(s.Key, ".")
		if sections[section] == nil {
			sections[section] = map[string]any{}
		}
		sections[section][name] = v
		if s.List {
			sections[section][name] = Fields(v)
		}
	}
	text, err := toml.Marshal(sections)
	if err != nil {
		return fmt.Errorf("settings: the overrides cannot be written as TOML: %w", err)
	}
	err = durable.Replace(path, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "# Written by remora-server. These win over the configuration file; move them there and delete this one.\n%s", text)
		return err
	})
	if err != nil {
		return &remora.Error{Kind: remora.KindUnavailable, Code: "config.overrides", Message: "The file " + path + " cannot be written.", Err: err}
	}
	return nil
}

// Mistake says where a TOML file is wrong. It shows keys and lines, never a line's text, which may
// hold a password.
func Mistake(err error) error {
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

// fileType makes the struct that a file is decoded into, from the table, so that the decoder itself
// names the line of a key that does not exist.
func (t Table[C]) fileType() reflect.Type {
	var order []string
	sections := map[string][]reflect.StructField{}
	for _, s := range t {
		section, name, _ := strings.Cut(s.Key, ".")
		if sections[section] == nil {
			order = append(order, section)
		}
		kind := reflect.TypeFor[*string]()
		if s.List {
			kind = reflect.TypeFor[*[]string]()
		}
		sections[section] = append(sections[section], tomlField(name, kind))
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
