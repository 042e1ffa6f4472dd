// Package catalogtest makes catalogs for tests and benchmarks: activities of the shape a real
// library has, and a feed in memory that does what a test tells it to, failing included.
//
// What [Activity] returns depends on its argument alone, so that numbers measured on different days
// or by different packages are of the same catalog.
package catalogtest
