// Package names says what a backend may be called.
package names

// Most is how many bytes a name has at most.
const Most = 64

// Valid reports whether s has 1 to Most letters, digits and characters of ".-_:", which can stand in
// logs, tables and addresses as they are.
func Valid(s string) bool {
	if s == "" || len(s) > Most {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c == ':':
		default:
			return false
		}
	}
	return true
}
