//go:build !linux

// The program files-stale needs Linux, for the NFS server in it.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "files-stale: it needs Linux, for the NFS server in it")
	os.Exit(1)
}
