// Package replicatest runs a real MariaDB primary with replicas, for tests of programs that use package
// replica and for rehearsals of what to do when a server is lost: unprivileged child processes on free
// ports of the loopback interface, with temporary data folders of their own, which die with the
// program however that ends. Three servers are there in about a second.
//
// [Start] is for tests: what fails, fails the test. [Open] is for programs; there the first failure is
// kept for [Group.Err], and after it methods do nothing.
//
// # Faults
//
// A server can be killed as by a power cut, frozen, stopped as by an administrator, and started again
// with other arguments. In a [Topology] that is Partitionable, all ways to a server lead through a relay
// in this process, and each [Link] can be cut so that connections hang, be refused so that
// connections break, or be slow. Who connects is known by its process, so that it does not matter who
// wrote the address down: a tool that points replicas to another primary meets the same faults.
//
// # Limits
//
// Servers run with GTIDs in strict mode and keep no more durable than a test needs; Durable changes
// that. A kill leaves what the operating system has taken, so that it does not prove what a power cut
// would leave. All servers share this machine's processors and disk. Where mariadbd is absent, and
// elsewhere than on Linux, tests are skipped, or fail when BEAMRIDER_REQUIRE=1 is set, and Open fails.
package replicatest
