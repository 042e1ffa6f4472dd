package settings

import "log/slog"

// A Secret hides itself wherever it might be printed. Only Text gives it away.
type Secret struct{ value string }

const hidden = "(hidden)"

// NewSecret returns a secret that holds value.
func NewSecret(value string) Secret { return Secret{value} }

// Text returns what is hidden.
func (s Secret) Text() string { return s.value }

// String implements [fmt.Stringer].
func (s Secret) String() string { return hidden }

// GoString implements [fmt.GoStringer].
func (s Secret) GoString() string { return hidden }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
