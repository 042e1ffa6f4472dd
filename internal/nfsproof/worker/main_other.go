//go:build !linux

// Command worker is of Linux alone.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "worker: guests can be had on Linux only")
	os.Exit(2)
}
