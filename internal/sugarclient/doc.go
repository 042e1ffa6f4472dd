// Package sugarclient drives the real client for tests: the update model of the Sugar desktop
// (jarabe.model.update), as Debian's python3-jarabe installs it, in a home folder of its own,
// without a display. What it downloads and installs is what a laptop in a classroom would.
//
// Where the client is absent a test is skipped, or fails under BEAMRIDER_REQUIRE=1; see package
// require.
package sugarclient
