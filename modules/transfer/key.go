package transfer

import (
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// maxPart is the longest name of one file or folder on the file systems of Linux, in bytes.
const maxPart = 255

// foldsCase says that two names which differ by case may be one file.
const foldsCase = runtime.GOOS == "darwin" || runtime.GOOS == "windows"

// Local returns the name of the file that a key becomes below a folder: the key itself. It returns a *blob.KeyError for one
// that could leave the folder, is spelled in two ways that mean the same, or is no name on Linux: an empty part, "." and
// "..", a backslash, a control character, what is not UTF-8, more than 1024 bytes or 255 in a part.
func Local(key string) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	for part := range strings.SplitSeq(key, "/") {
		if len(part) > maxPart {
			return "", &blob.KeyError{Key: key, Reason: fmt.Sprintf("has a part of more than %d bytes", maxPart)}
		}
	}
	if !filepath.IsLocal(filepath.FromSlash(key)) {
		return "", &blob.KeyError{Key: key, Reason: "is no name of a file here"}
	}
	return key, nil
}

// below joins a folder of the workspace and a name in it, which no program takes for an option.
func below(folder, name string) string { return workspace.Operand(path.Join(folder, name)) }

// place gives every item the name of its file, or says which can't have one. base is what the keys have in common and the
// names leave out.
func place(items []item, base, dest string) error {
	var wrong []string
	names := map[string]string{} // of files → keys
	for i, it := range items {
		name, err := Local(it.key[len(base):])
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		if other, taken := names[fold(name)]; taken {
			wrong = append(wrong, fmt.Sprintf("object key %q differs from %q by case alone, which this system's files do not", it.key, other))
		}
		names[fold(name)] = it.key
		items[i].path = below(dest, name)
	}
	for name, key := range names {
		for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
			if other, taken := names[folder]; taken {
				wrong = append(wrong, fmt.Sprintf("object key %q would be a file in the file that %q becomes", key, other))
			}
		}
	}
	return refused(wrong)
}

func fold(name string) string {
	if foldsCase {
		return strings.ToLower(name)
	}
	return name
}

// refused makes one sentence of what is wrong with several names.
func refused(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	const most = 3
	text := strings.Join(wrong[:min(len(wrong), most)], "; ")
	if more := len(wrong) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return fault.As(fault.Permanent, fmt.Errorf("%s; rename it, or leave it out with exclude", text))
}
