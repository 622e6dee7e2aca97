// Package s3 is the S3 module.
package s3

import (
	"context"
	"slices"

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
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	for _, w := range slices.Concat(transfer.BucketProblems(p.Bucket), p.What.Problems(), p.Remote.Problems()) {
		problems = append(problems, modules.Problem{Path: w.Prop, Msg: w.Text})
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// Output is what register stores: the props without secrets, and what was moved.
type Output struct {
	transfer.Result
	Region      string        `json:"region" doc:"Region that it was told."`
	AccessKeyID string        `json:"accessKeyId,omitzero" doc:"Access key that it was told."`
	Stats       modules.Stats `json:"stats" doc:"What the work used."`
}

// Probe says what a download reads and writes.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (modules.Demand, error) {
	if p.Action != transfer.Download {
		return modules.Demand{}, nil
	}
	t, err := p.open(ctx, c)
	if err != nil {
		return modules.Demand{}, err
	}
	n, err := t.Size(ctx)
	return modules.Demand{Input: n, Disk: n}, err
}

func (p *Props) open(ctx context.Context, c *modules.Call) (*transfer.Transfer, error) {
	b, err := c.Bucket(ctx, modules.BucketRef{
		Service: cloud.ServiceAWS, Name: p.Bucket, Region: p.Region, Endpoint: p.Endpoint, Keys: p.Keys(),
	})
	if err != nil {
		return nil, err
	}
	return &transfer.Transfer{
		What: p.What, Stored: p.Stored, ACL: p.ACL, Bucket: b, Scheme: "s3", Name: p.Bucket, Dir: c.Workspace, Log: c.Log,
	}, nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	t, err := p.open(ctx, c)
	if err != nil {
		return Output{}, err
	}
	done, err := t.Run(ctx)
	if err != nil {
		return Output{}, err
	}
	return Output{Result: done, Region: p.Region, AccessKeyID: p.AccessKeyID, Stats: measured()}, nil
}
