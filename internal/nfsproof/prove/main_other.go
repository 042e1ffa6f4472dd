//go:build !linux

// Command prove is of Linux alone.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "prove: guests can be had on Linux only")
	os.Exit(2)
}
