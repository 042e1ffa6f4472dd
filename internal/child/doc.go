//go:build !linux

// Package child runs the programs that tests need; only Linux lets them die with the test binary.
package child
