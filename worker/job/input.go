package job

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/modules/fault"
)

// Files is the prefix of what people put into the store by themselves, for any number of jobs. A customer's files lie in a
// folder of its name there.
const Files = "files/"

// Packed is the folder of a workspace in which archives lie until they are unpacked. No Input may have a name in it.
const Packed = ".inputs"

// CheckInputs says in a sentence why the job may not have an input that it asks for: what no message could have asked for, and
// where it has a customer all but that one's uploads, its files, and what was uploaded for this very job. The error is
// permanent.
func (j *Job) CheckInputs() error {
	for i, in := range j.Inputs {
		err := in.check()
		if err == nil {
			err = j.owns(in.Key)
		}
		if err != nil {
			return fault.As(fault.Permanent, fmt.Errorf("inputs[%d].%w", i, err))
		}
	}
	return nil
}

func (j *Job) owns(key string) error {
	id, _, _ := strings.Cut(strings.TrimPrefix(key, Uploads), "/")
	uploaded := strings.HasPrefix(key, Uploads) && (id == j.ID || strings.HasPrefix(id, j.Customer+"."))
	if j.Customer == "" || uploaded || strings.HasPrefix(key, Files+j.Customer+"/") {
		return nil
	}
	return fmt.Errorf("key: %q is no upload of customer %q", shorten(key), shorten(j.Customer))
}
