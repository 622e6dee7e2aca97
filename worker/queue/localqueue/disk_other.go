//go:build !linux

package localqueue

// networkFilesystem knows none outside Linux.
func networkFilesystem(string) (string, error) { return "", nil }
