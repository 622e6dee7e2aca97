package fbx

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

const (
	maxLine  = 64 << 10 // bytes of what it prints that are looked at as one line
	maxNamed = 100      // textures that are named
)

// said is what FBX2glTF tells of textures, and of what it read, a line at a time.
type said struct {
	held    []byte
	found   map[string]bool // files that it took
	missing []string        // sentences
	read    counts
}

func newSaid() said { return said{read: counts{triangles: -1, textures: -1, animations: -1}} }

func (s *said) Write(p []byte) (int, error) {
	s.held = append(s.held, p...)
	for {
		i := bytes.IndexByte(s.held, '\n')
		if i < 0 && len(s.held) > maxLine {
			i = len(s.held) - 1
		}
		if i < 0 {
			return len(p), nil
		}
		s.line(string(s.held[:i]))
		s.held = s.held[i+1:]
	}
}

// line takes in one: "Found texture 'Map #7' at: /home/workspace/a.fbm/x.png". What stands in the name is the file's own choice,
// a line's end or another "' at: " too: whatever stands behind the last of them is a path.
func (s *said) line(text string) {
	s.read.count(text)
	if i := strings.LastIndex(text, "' at: "); i >= 0 {
		if s.found == nil {
			s.found = map[string]bool{}
		}
		s.found[text[i+len("' at: "):]] = true
	}
	if _, name, ok := strings.Cut(text, "could not find a image file for texture: "); ok && len(s.missing) < maxNamed {
		s.missing = append(s.missing, fmt.Sprintf("texture %q is not there: its material goes without", strings.TrimSuffix(strings.ToValidUTF8(name, "�"), ".")))
	}
}

// foreign is an error if it took a texture from elsewhere than the workspace and dir, where it unpacks what the FBX holds.
func (s *said) foreign(c *modules.Call, dir string) error {
	s.line(string(s.held))
	for path := range s.found {
		real, err := filepath.EvalSymlinks(c.Workspace.Unalias(path))
		if err != nil {
			real = path
		} else if below, err := filepath.Rel(dir, real); err == nil && filepath.IsLocal(below) {
			continue
		}
		if _, err := c.Workspace.Path(real); err != nil {
			return fault.As(fault.Permanent, &ForeignError{err})
		}
	}
	return nil
}

// A ForeignError is a texture that lies elsewhere than in the workspace.
type ForeignError struct{ err error }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("it names a texture outside the workspace: %v", e.err)
}

func (e *ForeignError) Unwrap() error { return e.err }
