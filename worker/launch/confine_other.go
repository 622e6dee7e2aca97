//go:build !linux

package launch

// Confine says that this system has nothing to confine a child with.
func Confine(Setup) (string, error) {
	return "not confined: only Linux has Landlock", nil
}
