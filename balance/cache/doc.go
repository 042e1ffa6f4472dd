// Package cache holds rules of an HTTP cache as pure functions: nothing here stores or serves
// anything.
//
// There are readers for what requests and responses say to caches: Cache-Control (RFC 9111, section
// 5.2, with the extensions of RFC 5861 and RFC 8246), Pragma of requests, and dates in the forms of
// RFC 9110. What is not clear is read the stricter way: a time that cannot be read is zero, so that
// the response is stale; what forbids holds even where its syntax is wrong; what allows does not.
//
// All functions may be called from many goroutines at once, as long as nobody changes the headers
// they read.
package cache
