package filescmd

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// folders are those that hold nothing but files of the catalog.
var folders = []string{"icons", "previews", "public", "uploads"}

// A wanted is a file that has to be there under one of its names.
type wanted struct {
	name   string
	size   int64 // bytes; -1: not known
	sum    remora.Digest
	public string // one of its public names, "" if it has none
}

// everything returns what has to be where all files are kept, ordered by name.
func everything(ctx context.Context, store *sqlstore.Store) (list []wanted, err error) {
	kept, err := store.Kept(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range kept {
		w := wanted{name: k.Name, size: k.Size, sum: k.SHA256}
		if len(k.Public) > 0 {
			w.public = k.Public[0]
		}
		list = append(list, w)
		for _, public := range k.Public {
			list = append(list, wanted{name: public, size: k.Size, sum: k.SHA256, public: public})
		}
	}
	return inOrder(list), nil
}

// offered returns what has to be in a copy, ordered by name: all that anybody may be shown.
func offered(ctx context.Context, feed remora.Feed) (list []wanted, err error) {
	_, err = feed.Load(ctx, func(a remora.Activity) error {
		for i := range a.Versions {
			v := &a.Versions[i]
			name := remora.PublicName(a.ID, v.Filename)
			list = append(list, wanted{name: name, size: v.Size, sum: v.SHA256, public: name})
		}
		for i := range a.Screenshots {
			m := &a.Screenshots[i]
			list = append(list, wanted{name: remora.ImageName(m.SHA256), size: m.Size, sum: m.SHA256})
		}
		if !a.Icon.IsZero() {
			list = append(list, wanted{name: remora.IconName(a.Icon), size: -1, sum: a.Icon})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return inOrder(list), nil
}

// inOrder sorts by name; the icon or screenshot of several activities is one file.
func inOrder(list []wanted) []wanted {
	slices.SortFunc(list, func(a, b wanted) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(list, func(a, b wanted) bool { return a.name == b.name })
}

// find returns the one with this name, nil if there is none.
func find(list []wanted, name string) *wanted {
	i, ok := slices.BinarySearchFunc(list, name, func(w wanted, name string) int { return strings.Compare(w.name, name) })
	if !ok {
		return nil
	}
	return &list[i]
}

func (w *wanted) expected() nfsstore.Expected {
	return nfsstore.Expected{Name: w.name, Size: w.size, SHA256: w.sum[:]}
}

// expect passes the list on to a scrub.
func expect(list []wanted) iter.Seq2[nfsstore.Expected, error] {
	return func(yield func(nfsstore.Expected, error) bool) {
		for i := range list {
			if !yield(list[i].expected(), nil) {
				return
			}
		}
	}
}

// owners returns what files with these names are of, such as "the bundle of org.example.Dance 1".
func owners(ctx context.Context, store remora.Store, names []string) (map[string]string, error) {
	of := make(map[string]string, len(names))
	for _, name := range names {
		of[name] = ""
	}
	note := func(name, what string) {
		if was, ok := of[name]; ok && was == "" {
			of[name] = what
		}
	}
	if len(names) == 0 {
		return of, nil
	}
	err := store.Activities(ctx, remora.ActivityQuery{}, func(a remora.Activity) error {
		for i := range a.Versions {
			v := &a.Versions[i]
			bundle := "the bundle of " + a.BundleID + " " + v.Number.String()
			note(remora.UploadName(v.SHA256), bundle)
			note(remora.PublicName(a.ID, v.Filename), bundle)
		}
		for i := range a.Screenshots {
			note(remora.ImageName(a.Screenshots[i].SHA256), "a screenshot of "+a.BundleID)
		}
		if !a.Icon.IsZero() {
			note(remora.IconName(a.Icon), "the icon of "+a.BundleID)
		}
		return nil
	})
	return of, err
}
