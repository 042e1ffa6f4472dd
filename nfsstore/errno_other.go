//go:build !unix

package nfsstore

func classify(err error) fault {
	if away(err) {
		return faultAway
	}
	return faultOther
}

func copyInstead(error) bool { return false }

func isStale(error) bool { return false }

const openFlags = 0
