//go:build !linux

package launch

// HideProcess does nothing: only Linux has processes to hide from.
func HideProcess() error { return nil }

// Confine says that this system has nothing to confine a child with.
func Confine(Setup) (string, error) {
	return "not confined: only Linux has Landlock", nil
}
