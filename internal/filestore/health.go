package filestore

import (
	"context"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// Health says how the place is where everything is; see [nfsstore.Store.Health].
func (f *Files) Health(ctx context.Context) (nfsstore.Health, error) {
	h, err := f.homes.Load().main.Health(ctx)
	return h, kindOfFile(err, "")
}
