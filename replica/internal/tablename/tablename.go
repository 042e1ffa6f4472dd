// Package tablename reads names of tables that people configure.
package tablename

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// most is how many characters MariaDB takes for a database or a table.
const most = 64

// Quote returns database.table as it stands in a statement. Both parts must be there, so that it does
// not matter which database a connection uses; neither may have a dot in it.
func Quote(name string) (quoted string, err error) {
	database, table, ok := strings.Cut(name, ".")
	if !ok || !fits(database) || !fits(table) {
		return "", fmt.Errorf("%.150q is not the name of a table; write database.table, of at most %d characters each", name, most)
	}
	return identifier(database) + "." + identifier(table), nil
}

func fits(part string) bool {
	return part != "" && utf8.ValidString(part) && utf8.RuneCountInString(part) <= most &&
		!strings.ContainsAny(part, ".\x00") && !strings.HasSuffix(part, " ")
}

func identifier(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
