// Package settings reads what a program can be told by a TOML file, the environment and flags, from
// one table of all settings. The table is also what documentation and checks are made from, so
// that none of them can lag behind.
//
// In order of rising precedence a value comes from: its default, the file, the overrides (a file of
// the same form that commands write, not people), the environment, a flag. A key the table has not
// is an error that names its line. What holds a password is never quoted in an error.
package settings
