//go:build race

package gateway

const slowdown = 5
