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
}

// Options is how to upload.
type Options struct {
	Public     bool `json:"public" default:"false" doc:"Whether everybody may read what is uploaded. A bucket with uniform access refuses that."`
	AutoCreate bool `json:"autoCreate" default:"false" doc:"Whether to make the bucket, in the operator's project, where there is none."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	for _, w := range append(transfer.BucketProblems(p.Bucket), p.Problems()...) {
		problems = append(problems, modules.Problem{Path: w.Prop, Msg: w.Text})
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// Output is what register stores.
type Output struct {
	transfer.Result
	Stats modules.Stats `json:"stats" doc:"What the work used."`
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
	create := p.Options.AutoCreate && p.Action == transfer.Upload
	b, err := c.Bucket(ctx, modules.BucketRef{Service: cloud.ServiceGCS, Name: p.Bucket, Create: create})
	if err != nil {
		return nil, err
	}
	t := &transfer.Transfer{What: p.What, Stored: p.Stored, Bucket: b, Scheme: "gs", Name: p.Bucket, Dir: c.Workspace, Log: c.Log}
	if p.Options.Public {
		t.ACL = "publicRead"
	}
	return t, nil
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
	return Output{Result: done, Stats: measured()}, nil
}
