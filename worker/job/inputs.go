package job

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/modules/blob"
)

const (
	maxInputs    = 256 // of a job
	maxInputName = 512 // bytes
)

// inputs takes the files that were uploaded for the job: a list of maps with "key", "name" and "unpack".
func (e *envelope) inputs(v any) error {
	var list []any
	if err := set("inputs", v, "a list of maps", &list); err != nil {
		return err
	}
	if len(list) > maxInputs {
		return fmt.Errorf(`"inputs" has more than %d files: send them as one archive, with "unpack": true`, maxInputs)
	}
	taken := map[string]bool{}
	for i, v := range list {
		in, err := input(fmt.Sprintf("inputs[%d]", i), v)
		if err != nil {
			return err
		}
		if taken[in.Name] {
			return fmt.Errorf(`"inputs" has the name %q twice`, shorten(in.Name))
		}
		taken[in.Name] = true
		e.job.Inputs = append(e.job.Inputs, in)
	}
	return nil
}

func input(at string, v any) (in Input, err error) {
	var fields map[string]any
	if err := set(at, v, `a map with "key" and "name"`, &fields); err != nil {
		return in, err
	}
	for key, v := range fields {
		switch key {
		case "key":
			err = set(at+".key", v, "text", &in.Key)
		case "name":
			err = set(at+".name", v, "text", &in.Name)
		case "unpack":
			err = set(at+".unpack", v, "true or false", &in.Unpack)
		default:
			err = fmt.Errorf(`the message's key %q is unknown (an input has "key", "name" and "unpack")`, at+"."+shorten(key))
		}
		if err != nil {
			return in, err
		}
	}
	if err := in.check(); err != nil {
		return in, fmt.Errorf("%s.%w", at, err)
	}
	return in, nil
}

// check says what is wrong with an input, whosever it is. One that is unpacked may have the name ".": the workspace itself.
func (in Input) check() error {
	if err := CheckInputName(in.Name); err != nil && !(in.Unpack && in.Name == ".") {
		return fmt.Errorf("name: %w", err)
	}
	if err := checkInputKey(in.Key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	return nil
}

// CheckInputName says in a sentence why name can't be that of a file which a job is given: it is a local path of at most 512
// bytes, as short as it can be written, with slashes between its parts.
func CheckInputName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxInputName:
		return fmt.Errorf("the name is longer than %d bytes", maxInputName)
	case name == ".", !filepath.IsLocal(name), path.Clean(name) != name:
		return fmt.Errorf("%q is no path inside a folder, such as models/part.stl", shorten(name))
	}
	if first, _, _ := strings.Cut(name, "/"); first == Packed {
		return fmt.Errorf("%q lies in the folder %s, which is taken", shorten(name), Packed)
	}
	return blob.CheckKey(name)
}

func checkInputKey(key string) error {
	if !strings.HasPrefix(key, Uploads) && !strings.HasPrefix(key, Files) {
		return fmt.Errorf("%q lies outside %s and %s, where uploads are", shorten(key), Uploads, Files)
	}
	return blob.CheckKey(key)
}
