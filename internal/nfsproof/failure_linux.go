package nfsproof

// A CallResult is what a worker says of a call of a store.
type CallResult struct {
	Kind  string   `json:"kind,omitempty"` // of the error, in a word or two; "": it went well
	Error string   `json:"error,omitempty"`
	Names []string `json:"names,omitempty"` // of a list
	Swept int      `json:"swept,omitempty"`
}
