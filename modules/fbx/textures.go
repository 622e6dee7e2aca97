package fbx

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
)

const (
	maxTextures = 1_000 // names of files that are looked at
	maxName     = 4_096 // bytes of one
)

// isFileName says whether a node of an FBX holds the name of a file.
func isFileName(node string) bool {
	return node == "RelativeFilename" || node == "FileName" || node == "Filename"
}

// named adds a name, with slashes.
func named(all []string, name string) []string {
	name = strings.ReplaceAll(name, `\`, "/")
	if len(all) < maxTextures && !slices.Contains(all, name) && !strings.ContainsRune(name, 0) {
		all = append(all, name)
	}
	return all
}

// asciiTextures are the files that an ASCII FBX names, a line each: RelativeFilename: "textures\\wood.png".
func asciiTextures(f io.ReadSeeker) (all []string, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	line := regexp.MustCompile(`^\s*(RelativeFilename|FileName|Filename):\s*"([^"]+)"`)
	in := bufio.NewReaderSize(f, 2*maxName)
	for {
		// Of a line that is longer, as embedded files are, the rest comes as lines of their own, and looks like none of these.
		text, err := in.ReadSlice('\n')
		if m := line.FindSubmatch(bytes.TrimRight(text, "\r\n")); m != nil {
			all = named(all, string(m[2]))
		}
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// gather makes a folder in which FBX2glTF finds the FBX, and the textures under the names of the machine where it was made: it looks
// for "D:\\art\\wood.png" as D:/art/wood.png beside the FBX, and nowhere else. It returns the FBX there; empty where every texture
// is found without, or none is.
func gather(c *modules.Call, src, dir string, textures []string) (fbx string, err error) {
	// What leads out of the folder of the FBX still lies in dir: no name that is worth it has more of these steps.
	home := filepath.Join(dir, "1", "2", "3", "4")
	links, needed := map[string]string{}, false
	for _, name := range textures {
		from, asIs := locate(c, path.Dir(src), name)
		to := filepath.Join(home, filepath.FromSlash(name))
		below, err := filepath.Rel(dir, to)
		if from == "" || err != nil || !filepath.IsLocal(below) {
			continue
		}
		links[to] = from
		needed = needed || !asIs
	}
	if !needed {
		return "", nil
	}
	real, err := c.Workspace.Path(src)
	if err != nil {
		return "", err
	}
	fbx = filepath.Join(home, "in.fbx")
	if err := errors.Join(os.MkdirAll(home, 0o700), os.Symlink(real, fbx)); err != nil {
		return "", err
	}
	for to, from := range links {
		// One that can't be made, for it is a folder of another or too long, is a texture that is not there.
		_ = errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.Symlink(from, to))
	}
	return fbx, nil
}

// locate returns the real path of a texture in the workspace: where its name says, seen from the FBX, or the file of its last part
// beside the FBX or in the folders that are usual for it. asIs says that the name does it.
func locate(c *modules.Call, folder, name string) (real string, asIs bool) {
	base := path.Base(name)
	for i, at := range []string{name, base, path.Join("textures", base), path.Join("Textures", base), path.Join("maps", base), path.Join("../textures", base)} {
		if path.IsAbs(at) {
			continue
		}
		at = path.Join(folder, at)
		if info, err := c.Workspace.Stat(at); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if real, err := c.Workspace.Path(at); err == nil {
			return real, i == 0
		}
	}
	return "", false
}
