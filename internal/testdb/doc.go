// Package testdb gives tests a real MariaDB server: an unprivileged child process on a free port of
// the loopback interface, with a data folder of its own, which dies with the test however that ends.
//
// Most tests share one server for each test binary and get a database of their own; those that kill
// or freeze it get a private one. A package that uses the shared server ends its tests by [Main].
// Where mariadbd is absent, tests are skipped or fail as package require decides; elsewhere than on
// Linux they are always skipped that way.
package testdb
