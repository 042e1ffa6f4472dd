// Package weblink decides which addresses out of the catalog are handed on to readers.
package weblink

import "net/url"

const maxLen = 2 << 10 // bytes of an address

// Clean returns s if it is an address that a reader may be led to, else "". The catalog holds what
// bundles say, and nobody must come to run a script for one.
func Clean(s string) string {
	if len(s) > maxLen {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return ""
	}
	return u.String()
}
