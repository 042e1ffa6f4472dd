// Package posixjudge is only tests: those of github.com/hanwen/go-fuse/v2/posixtest, on a folder of any
// file system. It is made to be built once and run where that file system is mounted:
//
//	CGO_ENABLED=0 go test -c -o posixjudge ./internal/posixjudge
//	BEAMRIDER_POSIX_DIR=/mnt ./posixjudge -test.v -test.skip Posix/Symlink
//
// For each test it prints a line of JSON that begins with {"posix":, and on the lines around it what
// package testing says.
package posixjudge
