package ffmpeg

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/film"
)

// isFilter says whether an option's value is filters.
func isFilter(bare string) bool {
	return bare == "vf" || bare == "af" || bare == "filter" || bare == "filter_complex" || bare == "lavfi" || bare == "bsf" || bare == "vbsf" || bare == "absf"
}

// checkFilters refuses filters that listen on the network or load programs, and addresses that are no file of the workspace.
// Files that they name are looked at by checkFiles.
func checkFilters(value string) error {
	plain := unquoted(value)
	name := regexp.MustCompile(`(?i)(^|[\],;\s])(a?zmq|a?sendcmd|frei0r(?:_src)?|ladspa|lv2|openvino|dnn_\w+|program_opencl|openclsrc)($|[=@,;\[\s])`)
	if m := name.FindStringSubmatch(plain); m != nil {
		return fmt.Errorf("the filter %s is not run here: it takes commands, listens on the network or loads a program", m[2])
	}
	if m := regexp.MustCompile(`(?i)[a-z0-9]+://|\b(` + protocols + `):`).FindString(plain); m != "" {
		return fmt.Errorf("%s is not opened here: filters read files of the workspace by their name alone", m)
	}
	if m := regexp.MustCompile(`(?i)movie[^,;\[\]]*\b(f|format_name|format_opts)=`).FindStringSubmatch(plain); m != nil {
		return fmt.Errorf("%s of the filter movie is not taken here: a file is read as what it holds", m[1])
	}
	return nil
}

// protocols are those of FFmpeg, and what its formats take for one. An address needs no slashes: http:127.0.0.1/x is one.
const protocols = "amqp|async|bluray|cache|concatf?|crypto|data|fd|ffrtmpcrypt|ffrtmphttp|file|ftp|gophers?|hls|applehttp|https?|httpproxy|icecast|" +
	"ipfs|ipns|lavfi|md5|mms[ht]?|pipe|prompeg|rist|rtmp(?:e|s|t|te|ts)?|rtp|rtsps?|sap|satip|sctp|sftp|smb|srtp?|ssh|subfile|tcp|tee|tls|udp(?:lite)?|unix|zmq"

// unquoted takes the quotes and escapes out of what FFmpeg reads.
func unquoted(value string) string {
	return strings.NewReplacer(`\`, "", "'", "", `"`, "").Replace(value)
}

// fonts are what a filter may name besides the job's own files.
const fonts = "/usr/share/fonts/"

// parting are the signs that part the arguments of filters, or take such a meaning from others.
func parting() *regexp.Regexp { return regexp.MustCompile(`[=:,;|\[\]@\s'"\\]+`) }

// strange are the names in the workspace, of files and folders, that can't be told apart from the arguments around them.
func strange(c *modules.Call) (names []string, err error) {
	err = c.Workspace.Walk(".", func(name string, _ fs.DirEntry, err error) error {
		if base := path.Base(name); err == nil && parting().MatchString(base) {
			names = append(names, base)
		}
		return err
	})
	return names, err
}

// checkFiles refuses a value that names a file outside the workspace, or one that names others: whatever stands in it between the
// signs of parting is taken for a path.
func checkFiles(c *modules.Call, value string, strange []string) error {
	for _, name := range strange {
		if strings.Contains(unquoted(value), unquoted(name)) {
			return fmt.Errorf("%q is no name for a file that an option reads; rename it, to letters, digits, dots and hyphens", name)
		}
	}
	for _, part := range parting().Split(unquoted(c.Workspace.Unalias(value)), -1) {
		info, missing := os.Lstat(filepath.Join(c.Workspace.Real(), part))
		switch {
		case part == "" || part == ".":
		case strings.HasPrefix(filepath.Clean(part), fonts):
		case filepath.IsAbs(part) || missing == nil:
			if _, err := c.Workspace.Path(part); err != nil {
				return err
			}
			if missing != nil || !info.Mode().IsRegular() || info.Size() == 0 {
				continue // a label may be called as a folder is
			}
			if _, err := film.Look(c, part); err != nil {
				return fmt.Errorf("read %s: %w", part, err)
			}
		case strings.Contains("/"+part+"/", "/../"):
			return fmt.Errorf("%q leads out of the folder it stands in", part)
		}
	}
	return nil
}

// checkValues looks at the files that the options of all inputs and of the output name.
func checkValues(c *modules.Call, configs ...map[string]any) error {
	odd, err := strange(c)
	if err != nil {
		return err
	}
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
					if err := checkFiles(c, text, odd); err != nil {
						return fmt.Errorf("option %s: %w", key, err)
					}
				}
			}
		}
	}
	return nil
}
