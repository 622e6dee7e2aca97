// Package s3 is the S3 module.
package s3

import (
	"context"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/transfer"
)

// Module is the S3 task.
var Module = modules.Define(modules.Spec{
	Name:    "S3",
	Summary: "Downloads objects from a bucket of Amazon S3, or of a server that speaks as it does, or uploads files to it.",
	Example: "- module: S3\n  props: {action: download, bucket: assets, src: models/gear.stl, dest: gear.stl}\n  register: model",
}, run)

// Props are what a task writes under props.
type Props struct {
	Bucket string `json:"bucket" doc:"Name of the bucket."`
	transfer.What
	transfer.Stored
	transfer.Remote
	planned *transfer.Transfer
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	return transfer.Wrong(transfer.BucketProblems(p.Bucket), p.What.Problems(), p.Remote.Problems())
}

// Probe says what a download reads and writes.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (d modules.Demand, err error) {
	p.planned, d, err = p.task().Probe(ctx, c)
	return d, err
}

func (p *Props) task() transfer.Task {
	return transfer.Task{Service: cloud.ServiceAWS, Bucket: p.Bucket, What: p.What, Stored: p.Stored, Remote: p.Remote}
}

func run(ctx context.Context, c *modules.Call, p Props) (transfer.Output, error) {
	return p.task().Run(ctx, c, p.planned)
}
