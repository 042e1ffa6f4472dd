//go:build !unix

package dirvol

const openFlags = 0
