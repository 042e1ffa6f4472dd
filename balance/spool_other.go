//go:build !linux

package balance

// openSpool makes a file without a name. It fails where files that are open cannot lose it.
func openSpool(folder string) (spoolFile, error) { return unnamed(folder) }
