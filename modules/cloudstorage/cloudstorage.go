// Package cloudstorage is the CloudStorage module.
package cloudstorage

import (
	"context"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/transfer"
)

// Module is the CloudStorage task.
var Module = modules.Define(modules.Spec{
	Name:    "CloudStorage",
	Summary: "Downloads objects from a bucket of Google Cloud Storage, or uploads files to it.",
	Example: "- module: CloudStorage\n  props: {action: upload, bucket: assets, src: gear.glb, dest: models/gear.glb, options: {public: true}}\n  register: model",
}, run)

// Props are what a task writes under props.
type Props struct {
	Bucket string `json:"bucket" doc:"Name of the bucket."`
	transfer.What
	transfer.Stored
	Options Options `json:"options,omitzero" doc:"How to upload."`
	planned *transfer.Transfer
}

// Options is how to upload.
type Options struct {
	Public     bool `json:"public" default:"false" doc:"Whether everybody may read what is uploaded. A bucket with uniform access refuses that."`
	AutoCreate bool `json:"autoCreate" default:"false" doc:"Whether to make the bucket, in the operator's project, where there is none."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	return transfer.Wrong(transfer.BucketProblems(p.Bucket), p.Problems())
}

// Output is what register stores.
type Output struct {
	transfer.Result
	Stats modules.Stats `json:"stats" doc:"What the work used."`
}

// Probe says what a download reads and writes.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (d modules.Demand, err error) {
	p.planned, d, err = p.task().Probe(ctx, c)
	return d, err
}

func (p *Props) task() transfer.Task {
	t := transfer.Task{Service: cloud.ServiceGCS, Bucket: p.Bucket, What: p.What, Stored: p.Stored}
	t.Create = p.Options.AutoCreate && p.Action == transfer.Upload
	if p.Options.Public {
		t.ACL = "publicRead"
	}
	return t
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	out, err := p.task().Run(ctx, c, p.planned)
	return Output{Result: out.Result, Stats: out.Stats}, err
}
