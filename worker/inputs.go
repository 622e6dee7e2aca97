package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
)

// Inputs returns what brings a job's inputs, of most bytes in all (0 is no limit), from the store into its workspace, or nil where
// it has none. Archives that are to be unpacked are put into the folder job.Packed, under launch.PackedName: that is the job's own
// work, where it is confined.
func Inputs(j *job.Job, store blob.Store, most int64) launch.Placer {
	if len(j.Inputs) == 0 || j.DryRun {
		return nil
	}
	f := fetching{j, store, most}
	return func(ctx context.Context, workspace string, reserve func(int64) (func(), error)) error {
		err := f.fetch(ctx, workspace, reserve)
		switch {
		case err != nil && ctx.Err() != nil: // an SDK has its own words for that
			return stopOf(ctx)
		case err != nil && fault.Of(err) == fault.Unknown:
			err = fault.As(fault.Transient, err)
		}
		if err != nil {
			return fmt.Errorf("fetch inputs: %w", err)
		}
		return nil
	}
}

// stopOf is why the fetching of inputs was stopped. A job that has no time left to fetch them won't have it the next time.
func stopOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if s, ok := errors.AsType[*engine.Stop](cause); ok && s.Reason == engine.Deadline {
		return fault.As(fault.Permanent, fmt.Errorf("fetch inputs: %s", s.Message))
	}
	return cause
}

// A fetching is that of one job's inputs.
type fetching struct {
	job   *job.Job
	store blob.Store
	most  int64 // bytes; 0 is no limit
}

func (f *fetching) fetch(ctx context.Context, workspace string, reserve func(int64) (func(), error)) (err error) {
	if err := f.job.CheckInputs(); err != nil {
		return err
	}
	if f.store == nil {
		return fault.As(fault.Permanent, errors.New("this worker has no store to fetch them from"))
	}
	sizes, sum, err := f.sizes(ctx)
	if err != nil {
		return err
	}
	release, err := reserve(sum)
	if err != nil {
		return err
	}
	defer release()
	root, err := os.OpenRoot(workspace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for i, in := range f.job.Inputs {
		name := in.Name
		if in.Unpack {
			name = launch.PackedName(i)
		}
		if err := f.fetchOne(ctx, root, in, name, sizes[i]); err != nil {
			return fmt.Errorf("%q: %w", in.Name, err)
		}
	}
	return nil
}

// sizes are how many bytes the inputs have, all of which must be there, and admitted.
func (f *fetching) sizes(ctx context.Context) (each []int64, sum int64, err error) {
	for _, in := range f.job.Inputs {
		info, err := blob.Stat(ctx, f.store, in.Key)
		if err != nil {
			return nil, 0, fmt.Errorf("%q: %w", in.Name, missing(in, err))
		}
		if sum += info.Size; f.most > 0 && sum > f.most {
			return nil, 0, fault.As(fault.Permanent, fmt.Errorf("there are more than the %d MiB that are admitted (MILLRACE_MAX_INPUT); split the job or make its files smaller", f.most>>20))
		}
		each = append(each, info.Size)
	}
	return each, sum, nil
}

// fetchOne brings one object, which may have been replaced by now, but by no larger one. The workspace is fresh: what stands in
// the way is another input.
func (f *fetching) fetchOne(ctx context.Context, root *os.Root, in job.Input, name string, size int64) (err error) {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return inTheWay(err)
	}
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return inTheWay(err)
	}
	_, err = blob.Fetch(ctx, f.store, in.Key, file, size)
	return errors.Join(missing(in, err), file.Close())
}

// inTheWay is an error at the making of a file for good, but where the disk is full: two inputs have names that can't both be.
func inTheWay(err error) error {
	if disk.Full(err) {
		return err
	}
	return fault.As(fault.Permanent, fmt.Errorf("its name can't be had in the workspace (%w); give the inputs other names", bare(err)))
}

// bare is an error about a file without the file's path, which the error's reader can't look at.
func bare(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// missing makes a permanent error of one that says that there is no such object: nobody but a person can bring it back.
func missing(in job.Input, err error) error {
	if !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	return fault.As(fault.Permanent, fmt.Errorf("nothing stands under %s: it was not uploaded to this store, or was removed since; upload it and send the job again", in.Key))
}
