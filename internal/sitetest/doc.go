// Package sitetest tests the whole site as its visitors meet it: by browsers, feed readers, search
// engines and people who came by an old link. It holds tests only.
//
// The tests do not know which pages there are. They start at "/" and follow what they find, so that
// a new page is under every rule here from its first day, in every language there is.
package sitetest
