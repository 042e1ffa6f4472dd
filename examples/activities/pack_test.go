package activities

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora/xo"
)

// TestBundlesAreAccepted packs every sample as an import does, and expects not even a warning.
func TestBundlesAreAccepted(t *testing.T) {
	dir := unpack(t)
	for _, s := range promised {
		t.Run(s.Dir, func(t *testing.T) {
			var packed bytes.Buffer
			warnings, err := xo.Pack(t.Context(), filepath.Join(dir, filepath.FromSlash(s.Dir)), &packed, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, warning := range warnings {
				t.Error(warning)
			}
			bundle, err := xo.Read(t.Context(), bytes.NewReader(packed.Bytes()), int64(packed.Len()), nil)
			if err != nil {
				t.Fatal(err)
			}
			m := bundle.Manifest
			if m.BundleID != prefix+s.ID || m.Number.String() != s.Number {
				t.Errorf("read back as %s %s", m.BundleID, m.Number)
			}
			if licence, _, _ := strings.Cut(s.License, " "); m.SPDX == "" || !strings.HasPrefix(m.SPDX, licence) {
				t.Errorf("the licence %q became %q", s.License, m.SPDX)
			}
			if bundle.Icon == nil {
				t.Error("the icon cannot be shown")
			}
		})
	}
}
