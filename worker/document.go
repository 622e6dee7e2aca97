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

// request makes the attempt's request, of the document that the catalogue or the message has now. The error is a
// sentence.
func (a *attempt) request(ctx context.Context) (*launch.Request, error) {
	j, cfg := a.job, a.worker.cfg
	switch {
	case j.Inline != nil && !cfg.Inline:
		return nil, fault.As(fault.Permanent, errors.New(
			"the message brings its own pipeline, which this worker does not run (MILLRACE_INLINE allows it); name one of the catalogue"))
	case j.Inline != nil:
		return a.inline()
	case j.Pipeline == "":
		return nil, nil
	}
	doc, source, digest, err := cfg.Pipelines.Document(j.Pipeline)
	if err != nil {
		return nil, err
	}
	req := &launch.Request{Job: j, Document: doc, Source: source, Digest: digest, Trusted: true}
	if j.Version == "" || j.Version == digest {
		return req, nil
	}
	if err := a.load(ctx, req, j.Version); !errors.Is(err, record.ErrNoDocument) {
		return req, err
	}
	return nil, fault.As(fault.Permanent, fmt.Errorf("the message asks for %s in the version %s; the catalogue has %s, and %w",
		source, j.Version, digest, record.ErrNoDocument))
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

// keep makes sure that later attempts find the request's document, whatever the catalogue has become by then.
func (a *attempt) keep(ctx context.Context, req *launch.Request) error {
	if req == nil || !req.Trusted {
		return nil
	}
	return a.worker.cfg.Records.KeepDocument(ctx, nameOf(req.Source), req.Digest, req.Document)
}

// asBegun returns the request for the document that the job's first attempt ran, where that is not the one that the
// catalogue has now (req), or the catalogue has none any more (why).
func (a *attempt) asBegun(ctx context.Context, req *launch.Request, why error) (*launch.Request, error) {
	begun := a.record.Digest
	if a.record.N == 1 || begun == "" || a.job.Inline != nil || req != nil && req.Digest == begun {
		return req, why
	}
	req = &launch.Request{Job: a.job, Source: a.record.Pipeline, Trusted: true}
	err := a.load(ctx, req, begun)
	if errors.Is(err, record.ErrNoDocument) {
		return nil, fault.As(fault.Permanent, fmt.Errorf("the job began with %s in the version %s, which is neither in the catalogue nor in the store any more; send it again to run the present one",
			req.Source, begun))
	}
	return req, err
}

// load puts the document that was kept under the request's name and a digest into the request.
func (a *attempt) load(ctx context.Context, req *launch.Request, digest string) error {
	doc, err := a.worker.cfg.Records.Document(ctx, nameOf(req.Source), digest)
	if err != nil {
		return err
	}
	req.Document, req.Digest = doc, digest
	return nil
}

// nameOf is a source's name in the catalogue.
func nameOf(source string) string { return strings.TrimSuffix(source, filepath.Ext(source)) }
