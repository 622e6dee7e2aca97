package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/job"
)

var (
	// ErrOtherUpload says that an upload with this ID was sent before, with other files or for other jobs.
	ErrOtherUpload = errors.New("another upload was sent under this ID before")
	// ErrUploadGone says that an upload is being removed, since no job was made of it.
	ErrUploadGone = errors.New("the upload is being removed")
)

const (
	// orphaned is how long an upload stays, from its last file on, that no job was made of.
	orphaned = 24 * time.Hour
	// maxSent bounds what is read of the object that uploadKey names.
	maxSent = 1 << 20
)

// uploadKey is the object in an upload's folder that says which jobs may have the files in it. It is there before they are sent:
// what lies in a folder without one can be in no queue. A sweep puts one there that names no jobs before it removes such a folder,
// so that either the sweep has it or the jobs.
func uploadKey(id string) string { return job.Uploads + id + "/sent" }

// A sent is that object.
type sent struct {
	Jobs    []string  `json:"jobs"`
	Content string    `json:"content,omitzero"`
	Time    time.Time `json:"time"`
}

// KeepUpload notes that jobs are about to be sent which need what was uploaded under an ID: it is kept until they are over. content
// is the same for the same files alone. The same may be said again; of anything else ErrOtherUpload, and ErrUploadGone where a sweep
// has begun to remove it.
func (b *Book) KeepUpload(ctx context.Context, id string, jobs []string, content string) error {
	if err := checkID(id); err != nil {
		return err
	}
	body, err := json.Marshal(sent{Jobs: jobs, Content: content, Time: b.now()})
	if err != nil {
		return err
	}
	err = b.store.Create(ctx, uploadKey(id), body)
	if err == nil {
		return nil
	}
	standing, readErr := b.sent(ctx, id)
	switch {
	case readErr != nil && errors.Is(err, blob.ErrExists):
		return readErr
	case readErr != nil:
		return err
	case len(standing.Jobs) == 0:
		return fault.As(fault.Transient, ErrUploadGone)
	case !slices.Equal(standing.Jobs, jobs) || standing.Content != content:
		return fault.As(fault.Permanent, ErrOtherUpload)
	}
	return nil
}

func (b *Book) sent(ctx context.Context, id string) (sent, error) {
	body, err := blob.ReadAll(ctx, b.store, uploadKey(id), maxSent)
	if err != nil {
		return sent{}, err
	}
	var s sent
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&s); err != nil {
		return sent{}, damaged("what is kept of upload %s can't be read", id)
	}
	return s, nil
}

// sweepUploads removes what was uploaded for jobs that are over for so long, and what no job was made of within a day. failed is the first upload that it can't sweep.
func (b *Book) sweepUploads(ctx context.Context, k Keep, n *Swept) (failed, err error) {
	newest := map[string]time.Time{}
	for in, err := range b.store.List(ctx, job.Uploads, "") {
		if err != nil {
			return nil, err
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(in.Key, job.Uploads), "/")
		if in.Modified.After(newest[id]) {
			newest[id] = in.Modified
		}
	}
	for id, at := range newest {
		if checkID(id) != nil {
			continue
		}
		gone, err := b.isSpent(ctx, k, id, at)
		if err == nil && gone {
			err = b.removeUpload(ctx, id)
			n.Uploads++
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			failed = errors.Join(failed, fmt.Errorf("upload %s: %w", id, err))
		}
	}
	return failed, nil
}

// removeUpload removes an upload that nobody needs. What says so goes last: a sweep that is cut short is finished by the next.
func (b *Book) removeUpload(ctx context.Context, id string) error {
	dir := job.Uploads + id + "/"
	if _, err := b.removeAll(ctx, dir, uploadKey(id)); err != nil {
		return err
	}
	if err := b.store.Delete(ctx, uploadKey(id)); err != nil {
		return err
	}
	return b.prune(ctx, strings.TrimSuffix(dir, "/"))
}

// condemn keeps jobs from being made of an upload, whose last file came at that time, if none was in a day, and says whether it did.
func (b *Book) condemn(ctx context.Context, id string, at time.Time) (bool, error) {
	if b.now().Sub(at) <= orphaned {
		return false, nil
	}
	err := b.tryJSON(ctx, uploadKey(id), sent{Time: b.now()})
	if errors.Is(err, blob.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// isSpent says whether nobody needs an upload any more, whose last file came at that time.
func (b *Book) isSpent(ctx context.Context, k Keep, id string, at time.Time) (bool, error) {
	s, err := b.sent(ctx, id)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return b.condemn(ctx, id, at)
	case err == nil && len(s.Jobs) == 0:
		return true, nil
	}
	keep := k.Uploads
	if keep == 0 {
		keep = k.Records
	}
	if err != nil || keep == 0 {
		return false, err
	}
	for _, name := range s.Jobs {
		final, err := b.read(ctx, finalKey(name))
		switch {
		case errors.Is(err, blob.ErrNotFound):
			// It waits, it runs, or its record is gone: no queue keeps a message for so long.
			left, err := b.keys(ctx, jobDir(name))
			if err != nil || len(left) > 0 || b.now().Sub(s.Time) < max(LeastRecords, keep) {
				return false, err
			}
		case err != nil:
			return false, err
		case final.Finished.IsZero() || b.now().Sub(final.Finished) < keep:
			return false, nil
		}
	}
	return true, nil
}
