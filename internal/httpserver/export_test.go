package httpserver

// StallChunk is the size of the pieces that files are sent in.
const StallChunk = stallChunk

// SameAddress is for tests.
var SameAddress = sameAddress
