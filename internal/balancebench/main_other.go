//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "balancebench needs Linux: it reads what processes cost from /proc.")
	os.Exit(1)
}
