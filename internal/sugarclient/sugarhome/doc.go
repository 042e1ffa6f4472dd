// Package sugarhome drives the real client: the update model of the Sugar desktop
// (jarabe.model.update), as Debian's python3-jarabe installs it, in a home folder of its own,
// without a display. What it downloads and installs is what a laptop in a classroom would.
//
// It is for programs, and for clients on another machine (see Home.Run); tests have package
// sugarclient.
//
// What a run takes is bounded: in time by [Deadline], in what it prints by what is kept of it.
package sugarhome
