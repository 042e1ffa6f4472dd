//go:build !linux

package testdb

// onDisk is always where temporary files are.
const onDisk = ""

// Memory does nothing here: only Linux has a folder in memory that every account may use.
func Memory() error { return nil }
