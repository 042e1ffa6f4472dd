//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "nfsbench needs Linux: it runs servers in namespaces.")
	os.Exit(1)
}
