// Package collectionfile reads a collection of activities from the TOML file people write it in.
package collectionfile

import (
	"errors"
	"fmt"
	"os"

	"github.com/pelletier/go-toml/v2"

	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/remora"
)

// Read reads one file. The error, which is of KindInvalid, names every mistake.
func Read(path string) (remora.Collection, error) {
	fail := func(err error) (remora.Collection, error) {
		return remora.Collection{}, &remora.Error{Kind: remora.KindInvalid, Code: "collection.file", Message: "The collection " + path + " cannot be used.", Err: err}
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	var in struct {
		Nickname      string            `toml:"nickname"`
		Listed        *bool             `toml:"listed"`
		DefaultLocale string            `toml:"default_locale"`
		Name          map[string]string `toml:"name"`
		Description   map[string]string `toml:"description"`
		Activity      []struct {
			BundleID string `toml:"bundle_id"`
			Number   string `toml:"number"`
			Optional bool   `toml:"optional"`
		} `toml:"activity"`
	}
	err = toml.NewDecoder(f).DisallowUnknownFields().Decode(&in)
	if err != nil {
		return fail(settings.Mistake(err))
	}
	c := remora.Collection{
		Nickname: in.Nickname, Listed: in.Listed == nil || *in.Listed, DefaultLocale: "en",
		Name: remora.NewText(in.Name), Description: remora.NewText(in.Description),
	}
	if in.DefaultLocale != "" {
		c.DefaultLocale = remora.NormalizeLocale(in.DefaultLocale)
	}
	var errs []error
	if !validNickname(c.Nickname) {
		errs = append(errs, fmt.Errorf("the nickname %q must be 1 to 64 letters, digits, - and _, because it stands in addresses", c.Nickname))
	}
	if len(c.Name) == 0 {
		errs = append(errs, errors.New("it has no name; write one under [name], as in en = \"First day\""))
	}
	for i, item := range in.Activity {
		it := remora.CollectionItem{BundleID: item.BundleID, Optional: item.Optional}
		if item.BundleID == "" {
			errs = append(errs, fmt.Errorf("activity %d has no bundle_id", i+1))
		}
		if item.Number != "" {
			if it.Pin, err = remora.ParseNumber(item.Number); err != nil {
				errs = append(errs, fmt.Errorf("activity %d: %w", i+1, err))
			}
		}
		c.Items = append(c.Items, it)
	}
	if len(errs) > 0 {
		return fail(errors.Join(errs...))
	}
	return c, nil
}

func validNickname(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 64
}
