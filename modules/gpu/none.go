//go:build !linux || !cgo

package gpu

import "fmt"

// openDriver says which build could open one.
func openDriver() (*driver, error) {
	return nil, fmt.Errorf("%w: this binary was built without what speaks to one: use the GPU image, or build it on Linux with make build CGO_ENABLED=1", ErrNoDriver)
}
