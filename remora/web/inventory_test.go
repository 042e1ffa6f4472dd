package web

import "testing"

// FuzzReadContents: whatever a report says, what a page shows of it is bounded and adds up.
func FuzzReadContents(f *testing.F) {
	var r inside
	r.add("activity/activity.info", 300)
	r.add("setup.py", 1)
	r.add("/", 1)
	f.Add([]byte(`{"Inventory":{"Files":[{"Path":"a/b","Size":-1},{"Path":"","Size":9223372036854775807}],"Locales":["","é"],"Binaries":[{}]},"Warnings":[{}]}`), true)
	f.Add(r.pack(f), false)
	f.Add([]byte("null"), true)
	reader := &tongue{tag: "en", messages: pseudo{}, printer: newPseudo().printer}
	f.Fuzz(func(t *testing.T, report []byte, plain bool) {
		if plain {
			report = squeeze(t, report)
		}
		c, err := readContents(report)
		if err != nil {
			return
		}
		listed, counted := 0, c.hidden
		for i := range c.folders {
			listed += len(c.folders[i].files)
			counted += c.folders[i].count
			if len(c.folders[i].files) > c.folders[i].count || len(c.folders[i].name) > maxPathShown {
				t.Errorf("a folder has %d of %d files", len(c.folders[i].files), c.folders[i].count)
			}
		}
		if counted != c.files || listed > filesShown || len(c.folders) > foldersShown || len(c.binaries) > binariesShown || len(c.warnings) > warningsShown {
			t.Errorf("%d files, %d counted, %d listed in %d folders", c.files, counted, listed, len(c.folders))
		}
		if p := reader.newContents(c); len(p.Folders) != len(c.folders) {
			t.Errorf("%d folders are shown of %d", len(p.Folders), len(c.folders))
		}
	})
}
