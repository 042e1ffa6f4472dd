// Command xgettext writes the message catalogs of a package: locales/messages.pot and locales/en.po
// below the folder given with -dir. Other languages are merged by their translators, with msgmerge.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/internal/xgettext"
)

func main() {
	dir := flag.String("dir", ".", "folder of the package")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "xgettext:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	messages, err := xgettext.Extract(os.DirFS(dir))
	if err != nil {
		return err
	}
	locales := filepath.Join(dir, "locales")
	if err := os.WriteFile(filepath.Join(locales, "messages.pot"), xgettext.Template(messages), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(locales, "en.po"), xgettext.English(messages), 0o644)
}
