//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "growth: this makes machines out of network namespaces, which only Linux has; run it there, or in a virtual machine with Linux")
	os.Exit(1)
}
