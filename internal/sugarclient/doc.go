// Package sugarclient drives the real client for tests: the update model of the Sugar desktop, in a
// home folder of its own. Package sugarhome, below, is what does it, for programs too.
//
// Where the client is absent a test is skipped, or fails under BEAMRIDER_REQUIRE=1; see package
// require.
package sugarclient
