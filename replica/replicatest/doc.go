// Package replicatest gives tests a real MariaDB primary with replicas: unprivileged child processes
// on free ports of the loopback interface, with data folders of their own, which die with the test
// however that ends.
//
// Servers run with GTIDs in strict mode and keep no more durable than a test needs. Where mariadbd
// is absent, and elsewhere than on Linux, tests are skipped, or fail when BEAMRIDER_REQUIRE=1 is set.
package replicatest
