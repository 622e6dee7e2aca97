package worker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/record"
)

// request makes the attempt's request of the document that the message asks for, or the catalogue has now, or says in a
// sentence why there is none. A later attempt finds the document again, whatever the catalogue has become by then.
func (a *attempt) request(ctx context.Context) (*launch.Request, error) {
	j, cfg := a.job, a.worker.cfg
	switch {
	case j.Inline != nil && !cfg.Inline:
		return nil, fault.As(fault.Permanent, errors.New(
			"the message brings its own pipeline, which this worker does not run (MILLRACE_INLINE allows it); name one of the catalogue"))
	case j.Inline != nil:
		return a.inline()
	}
	doc, source, digest, err := cfg.Pipelines.Document(j.Pipeline)
	if _, gone := errors.AsType[*pipelines.UnknownError](err); gone && j.Version != "" {
		return nil, fmt.Errorf("the message asks for version %s of a pipeline that is not there, and a version that was kept runs only in jobs that had begun: %w",
			j.Version, err)
	}
	if err != nil {
		return nil, err
	}
	if j.Version == "" || j.Version == digest {
		if err := cfg.Records.KeepDocument(ctx, nameOf(source), digest, doc); err != nil {
			return nil, passing(err)
		}
		return &launch.Request{Job: j, Document: doc, Source: source, Digest: digest, Trusted: true}, nil
	}
	req, err := a.load(ctx, source, j.Version)
	if errors.Is(err, record.ErrNoDocument) {
		return nil, fault.As(fault.Permanent, fmt.Errorf("the message asks for %s in the version %s; the catalogue has %s, and %w",
			source, j.Version, digest, err))
	}
	return req, err
}

// inline makes a request of the pipeline that the message brought.
func (a *attempt) inline() (*launch.Request, error) {
	j := a.job
	req := &launch.Request{Job: j, Document: j.Inline, Source: "message", Digest: pipelines.Digest(j.Inline)}
	if j.Version != "" && j.Version != req.Digest {
		return nil, fault.As(fault.Permanent, fmt.Errorf("the message asks for the version %s, and the pipeline that it brings is %s; correct one of them",
			j.Version, req.Digest))
	}
	return req, nil
}

// An edition is a document of the catalogue as it was when a job ran it. The zero value is none.
type edition struct{ source, digest string }

// asBegun returns the request for the document that the job began with, where that is not the one that request has found, or
// request has found none (why). A version that the message asks for is never replaced.
func (a *attempt) asBegun(ctx context.Context, begun edition, req *launch.Request, why error) (*launch.Request, error) {
	asked := a.job.Version
	switch {
	case begun.digest == "" || a.job.Inline != nil:
		return req, why
	case req != nil && (req.Digest == begun.digest || asked != ""):
		return req, nil
	case asked != "" && asked != begun.digest:
		return nil, why
	}
	req, err := a.load(ctx, begun.source, begun.digest)
	if errors.Is(err, record.ErrNoDocument) {
		return nil, fault.As(fault.Permanent, fmt.Errorf("the job began with %s in the version %s, which is neither in the catalogue nor in the store any more; send it again to run the present one",
			begun.source, begun.digest))
	}
	return req, err
}

// load makes the attempt's request of the document that was kept under the source's name and a digest.
func (a *attempt) load(ctx context.Context, source, digest string) (*launch.Request, error) {
	doc, err := a.worker.cfg.Records.Document(ctx, nameOf(source), digest)
	if err != nil {
		return nil, passing(err)
	}
	return &launch.Request{Job: a.job, Document: doc, Source: source, Digest: digest, Trusted: true}, nil
}

// passing makes of what a store does not do something that passes, whatever it calls it, for no job can be blamed. Damage
// stays what it is.
func passing(err error) error {
	if damaged(err) {
		return err
	}
	return fault.As(fault.Transient, err)
}

// nameOf is a source's name in the catalogue.
func nameOf(source string) string { return strings.TrimSuffix(source, filepath.Ext(source)) }
