// Package netns connects to addresses in other network namespaces from this process. Only Linux has
// them.
package netns
