package ffmpeg

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/millrace/millrace/modules"
)

// isFilter says whether an option's value is filters.
func isFilter(bare string) bool {
	return bare == "vf" || bare == "af" || bare == "filter" || bare == "filter_complex" || bare == "lavfi" || bare == "bsf" || bare == "vbsf" || bare == "absf"
}

// checkFilters refuses filters that listen on the network or load programs, and addresses that are no file of the workspace.
// Files that they name are looked at by checkFiles.
func checkFilters(value string) error {
	plain := unquoted(value)
	name := regexp.MustCompile(`(?i)(^|[\],;\s])(a?zmq|frei0r(?:_src)?|ladspa|lv2|openvino|dnn_\w+|program_opencl|openclsrc)($|[=@,;\[\s])`)
	if m := name.FindStringSubmatch(plain); m != nil {
		return fmt.Errorf("the filter %s is not run here: it listens on the network or loads a program", m[2])
	}
	if m := regexp.MustCompile(`(?i)[a-z0-9]+://|\b(concat|subfile|pipe|unix|data|fd|async|cache|crypto|tcp|udp|file):`).FindString(plain); m != "" {
		return fmt.Errorf("%s is not opened here: filters read files of the workspace by their name alone", m)
	}
	return nil
}

// unquoted takes the quotes and escapes out of what FFmpeg reads.
func unquoted(value string) string {
	return strings.NewReplacer(`\`, "", "'", "", `"`, "").Replace(value)
}

// fonts are what a filter may name besides the job's own files.
const fonts = "/usr/share/fonts/"

// checkFiles refuses a value that names a file outside the workspace: whatever stands in it between signs that part the
// arguments of filters is taken for a path.
func checkFiles(c *modules.Call, value string) error {
	for _, part := range regexp.MustCompile(`[=:,;|\[\]@\s]+`).Split(unquoted(c.Workspace.Unalias(value)), -1) {
		_, missing := os.Lstat(filepath.Join(c.Workspace.Real(), part))
		switch {
		case part == "" || part == ".":
		case strings.HasPrefix(filepath.Clean(part), fonts):
		case filepath.IsAbs(part) || missing == nil:
			if _, err := c.Workspace.Path(part); err != nil {
				return err
			}
		case strings.Contains("/"+part+"/", "/../"):
			return fmt.Errorf("%q leads out of the folder it stands in", part)
		}
	}
	return nil
}

// checkValues looks at the files that the options of all inputs and of the output name.
func checkValues(c *modules.Call, configs ...map[string]any) error {
	for _, config := range configs {
		for key, value := range config {
			if strings.HasPrefix(strings.TrimLeft(key, "-"), "metadata") {
				continue
			}
			list, ok := value.([]any)
			if !ok {
				list = []any{value}
			}
			for _, v := range list {
				if text, ok := v.(string); ok {
					if err := checkFiles(c, text); err != nil {
						return fmt.Errorf("option %s: %w", key, err)
					}
				}
			}
		}
	}
	return nil
}
