package promote

import "slices"

// Privileges returns those on *.* that the account of a [Node] needs.
func Privileges() []string { return slices.Clone(needed) }
