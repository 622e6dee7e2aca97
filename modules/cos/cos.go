// Package cos is the COS module.
package cos

import (
	"cmp"
	"context"
	"fmt"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/transfer"
)

// Module is the COS task.
var Module = modules.Define(modules.Spec{
	Name:    "COS",
	Summary: "Downloads objects from a bucket of IBM Cloud Object Storage, or uploads files to it.",
	Example: "- module: COS\n  props: {action: download, bucket: assets, src: avatars/default.png, dest: avatar.png}\n  register: avatar",
}, run)

// Props are what a task writes under props.
type Props struct {
	Bucket string `json:"bucket,omitzero" doc:"Name of the bucket; without it the operator's."`
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
	p.planned, d, err = p.task(c).Probe(ctx, c)
	return d, p.told(err)
}

// told says where the bucket comes from, of a task that names none.
func (p *Props) told(err error) error {
	if err != nil && p.Bucket == "" {
		return fmt.Errorf("the task names no bucket, so it is that of COS_BUCKET (--cos-bucket): %w", err)
	}
	return err
}

func (p *Props) task(c *modules.Call) transfer.Task {
	name := cmp.Or(p.Bucket, c.Clouds.COSBucket)
	return transfer.Task{Service: cloud.ServiceCOS, Bucket: name, What: p.What, Stored: p.Stored, Remote: p.Remote}
}

func run(ctx context.Context, c *modules.Call, p Props) (transfer.Output, error) {
	out, err := p.task(c).Run(ctx, c, p.planned)
	return out, p.told(err)
}
