//go:build !race

package gateway

// slowdown is how much more memory a program with the race detector takes.
const slowdown = 1
