package fbx

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
)

// counts are what FBX2glTF says, by --verbose, that it read: triangles of all meshes, each once, textures, those that are not
// there too, animations, those of them that move nothing and are left out, and materials that a mesh uses. -1 was not said.
type counts struct{ triangles, textures, animations, still, materials int64 }

// count takes in a line: "   2112 triangles", "Material 0: Wood [shading: Phong]". Names are the file's own choice: one that holds
// such a line makes of it what is not written, and so refuses itself.
func (c *counts) count(line string) {
	if n, rest, ok := strings.Cut(strings.TrimPrefix(line, "Material "), ": "); ok && rest != "" && strings.HasPrefix(line, "Material ") {
		if i, err := strconv.ParseInt(n, 10, 32); err == nil {
			c.materials = max(c.materials, i+1)
		}
	}
	if strings.HasPrefix(line, "Warning: animation '") && strings.HasSuffix(line, "' has zero channels. Skipping.") {
		c.still++
	}
	words := strings.Fields(line)
	if len(words) != 2 {
		return
	}
	n, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return
	}
	switch words[1] {
	case "triangles":
		c.triangles = n
	case "textures":
		c.textures = n
	case "animations":
		c.animations = n
	}
}

// differs is an error where a document is not what FBX2glTF says that it read; missing is how many textures were not there.
func (c *counts) differs(doc *glb.Document, missing int) error {
	refuse := func(format string, args ...any) error {
		return fault.As(fault.Permanent, fmt.Errorf("FBX2glTF "+format, args...))
	}
	if c.triangles < 0 || c.animations < 0 || c.textures < 0 {
		return errors.New("FBX2glTF does not say what it read; take the version of the tools' manifest")
	}
	m := doc.Count()
	packed := slices.Contains(doc.Used, "KHR_draco_mesh_compression") // Draco leaves out what has no area
	switch {
	case m.Stored != c.triangles && !packed, m.Stored > c.triangles:
		return refuse("read %d triangles, and wrote %d", c.triangles, m.Stored)
	case int64(m.Materials) < c.materials:
		return refuse("read %d materials, and wrote %d", c.materials, m.Materials)
	case int64(m.Animations) != c.animations-c.still:
		return refuse("read %d animations, and wrote %d", c.animations-c.still, m.Animations)
	case c.textures > int64(missing) && missing < maxNamed && len(m.Pictures) == 0:
		return refuse("read %d textures, and wrote none", c.textures-int64(missing))
	}
	return nil
}
