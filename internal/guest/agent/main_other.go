//go:build !linux

// Command agent is of Linux alone.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "agent: guests can be had on Linux only")
	os.Exit(2)
}
