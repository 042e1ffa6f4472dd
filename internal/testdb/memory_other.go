//go:build !linux

package testdb

// Memory does nothing here: only Linux has a folder in memory that every account may use.
func Memory() error { return nil }
