// Package activities holds the sample activities of the project as files in the program, so that a
// catalog can be filled without a network and without a download:
//
//	remora-server serve --samples
//
// imports what [FS] returns into an empty catalog.
//
// The tree is <slug>/<number>/<Name>.activity/…, one unpacked bundle in every .activity folder;
// index.csv, what a bundle cannot say about itself (category, rank, Sugar releases);
// and classroom.toml, a collection. Every bundle is complete, has no symbolic link and no
// executable, and stays under [MaxBundleSize] bytes. README.md tells what each of them is.
package activities
