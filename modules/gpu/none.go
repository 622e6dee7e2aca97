//go:build !linux || !cgo

package gpu

import "fmt"

// openDriver says which build could open one.
func openDriver() (*driver, error) {
	return nil, fmt.Errorf("%w can be asked by this binary, which was built without cgo; use the GPU image, or build it on Linux with make build CGO_ENABLED=1", ErrNoDriver)
}
