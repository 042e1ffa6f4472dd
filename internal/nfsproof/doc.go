// Package nfsproof shows on real servers and real kernels that what a store has acknowledged survives a
// power cut: four writers store files, the power of the machine that holds the disk is cut (package
// guest), it boots again, and every acknowledged name is looked for.
//
// What is lost with the power is the page cache of the machine. What a real disk keeps in a volatile
// cache of its own is not part of it.
package nfsproof
