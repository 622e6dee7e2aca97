//go:build !linux || !cgo

package gpu

// openDriver says which build could open one.
func openDriver() (*driver, error) {
	return nil, &because{"this binary was built without cgo, by which GPUs are asked; use the GPU image, or build it on Linux with make build CGO_ENABLED=1", ErrNoDriver}
}
