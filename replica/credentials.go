package replica

// A hookError is an error of [Config.Connect]: it says nothing of the server.
type hookError struct{ err error }

func (e *hookError) Error() string { return "replica: Connect: " + e.err.Error() }

func (e *hookError) Unwrap() error { return e.err }
