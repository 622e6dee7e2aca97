//go:build !linux

package dirblob

import (
	"errors"
	"os"
)

// nameless says that only Linux has files without a name.
func (s *Store) nameless() (*os.File, error) { return nil, errors.ErrUnsupported }

func linkNameless(_, _ *os.File, _ string) error { return errors.ErrUnsupported }
