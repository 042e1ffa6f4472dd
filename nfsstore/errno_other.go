//go:build !unix

package nfsstore

func classify(error) fault { return faultOther }

func copyInstead(error) bool { return false }

func isStale(error) bool { return false }

const openFlags = 0
