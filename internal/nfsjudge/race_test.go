//go:build linux && race

package nfsjudge

// raceCost is how many times the memory a program takes whose races are looked for.
const raceCost = 4
