package launch

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/worker/job"
)

// A Placer puts into a workspace what a job was sent with. Nothing of the job has run there yet. Before it writes it reserves
// the bytes, of the machine's disk, until release; those that are not to be had are an error.
type Placer func(ctx context.Context, workspace string, reserve func(bytes int64) (release func(), err error)) error

// place has the request's Placer do its work in dir.
func (m *Machine) place(ctx context.Context, req *Request, dir Dir) error {
	if req.Place == nil {
		return nil
	}
	return req.Place(ctx, dir.Workspace(), func(bytes int64) (func(), error) {
		if m == nil || m.Disk == nil {
			return func() {}, nil
		}
		return m.Disk.Reserve(dir.Path, bytes)
	})
}

// PackedName is where in the workspace the archive of a job's input i lies until it is unpacked.
func PackedName(i int) string { return fmt.Sprintf("%s/%d.zip", job.Packed, i) }
