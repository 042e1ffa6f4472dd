package main

import "log/slog"

// A secret hides itself wherever it might be printed. Only text gives it away.
type secret struct{ value string }

const hidden = "(hidden)"

func (s secret) text() string                 { return s.value }
func (s secret) String() string               { return hidden }
func (s secret) GoString() string             { return hidden }
func (s secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (s secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
