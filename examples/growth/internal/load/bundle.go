package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// A bundle is one that is sent until it is acknowledged.
type bundle struct {
	act   *activity
	place int // of the version
	body  []byte
	sum   remora.Digest
}

func (b *bundle) number() string { return number(b.place) }

// Bounds of the part of a bundle that does not compress, in bytes: several packets, so that an
// answer can break off in the middle.
const (
	leastFiller = 4 << 10
	mostFiller  = 40 << 10
)

// pack makes the bundle of c below the folder dir. The bytes depend on the seed, the activity and
// the version alone: an import that is sent again, or by another run, is the same.
func pack(ctx context.Context, dir string, c chosen) (_ *bundle, err error) {
	folder := filepath.Join(dir, c.act.name+".activity")
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := os.MkdirAll(filepath.Join(folder, "activity"), 0o755); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(c.maker, uint64(len(c.act.name))))
	for _, letter := range []byte(fmt.Sprintf("%s %d", c.act.name, c.place)) {
		r = rand.New(rand.NewPCG(r.Uint64(), uint64(letter)))
	}
	filler := make([]byte, leastFiller+r.IntN(mostFiller-leastFiller))
	for i := range filler {
		filler[i] = byte(r.Uint32())
	}
	for name, text := range map[string]string{
		"activity/activity.info": fmt.Sprintf("[Activity]\nname = %s\nbundle_id = %s\nactivity_version = %s\nexec = sugar-activity3 main.Main\nicon = icon\nlicense = GPL-3.0-or-later\nsummary = %s, version %s\n",
			c.act.name, c.act.bundleID, number(c.place), c.act.name, number(c.place)),
		"activity/icon.svg": `<svg xmlns="http://www.w3.org/2000/svg" width="55" height="55"><rect width="40" height="40" fill="#FFFFFF" stroke="#010101"/></svg>` + "\n",
		"main.py":           "FILLER = '" + base64.StdEncoding.EncodeToString(filler) + "'\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	var packed bytes.Buffer
	if _, err := xo.Pack(ctx, folder, &packed, nil); err != nil {
		return nil, err
	}
	return &bundle{act: c.act, place: c.place, body: packed.Bytes(), sum: sha256.Sum256(packed.Bytes())}, nil
}
