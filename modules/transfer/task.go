package transfer

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
)

// A Task is what the modules of all services do with their props.
type Task struct {
	Service cloud.Service
	Bucket  string
	Create  bool // makes the bucket where there is none
	What
	Stored
	Remote // of a service without such props: its ACL alone
}

// Output is what a task at a server that speaks S3 stores: the props without secrets, and what was moved.
type Output struct {
	Result
	Region      string        `json:"region" doc:"Region that it was told."`
	AccessKeyID string        `json:"accessKeyId,omitzero" doc:"Access key that it was told."`
	Stats       modules.Stats `json:"stats" doc:"What the work used."`
}

// Probe plans a download, and says what it reads and writes. Run of the same plan moves what was found, and no more. An upload
// has no plan.
func (t Task) Probe(ctx context.Context, c *modules.Call) (*Transfer, modules.Demand, error) {
	if t.Action != Download {
		return nil, modules.Demand{}, nil
	}
	planned, err := t.open(ctx, c)
	if err != nil {
		return nil, modules.Demand{}, err
	}
	n, err := planned.Plan(ctx)
	return planned, modules.Demand{Input: n, Disk: n}, t.remedy(err)
}

// Run moves what was planned, or, where that is nil, what it finds now.
func (t Task) Run(ctx context.Context, c *modules.Call, planned *Transfer) (out Output, err error) {
	measured := modules.Measure()
	if planned == nil {
		if planned, err = t.open(ctx, c); err != nil {
			return Output{}, err
		}
	}
	done, err := planned.Run(ctx)
	if err != nil {
		return Output{}, t.remedy(err)
	}
	if planned.planned.lone {
		done.URL = t.address(c.Clouds, planned.planned.items[0].key)
	}
	return Output{Result: done, Region: t.Region, AccessKeyID: t.AccessKeyID, Stats: measured()}, nil
}

// address is an object's, its bucket in the path: what every server of the kind takes.
func (t Task) address(operators cloud.Access, key string) string {
	endpoint := t.Endpoint
	switch t.Service {
	case cloud.ServiceAWS:
		endpoint = cmp.Or(endpoint, operators.S3Endpoint, "https://s3."+cmp.Or(t.Region, operators.Region, "us-east-1")+".amazonaws.com")
	case cloud.ServiceCOS:
		endpoint = cmp.Or(endpoint, operators.COSEndpoint)
	case cloud.ServiceGCS:
		endpoint = cmp.Or(endpoint, operators.GCSEndpoint, "https://storage.googleapis.com")
	}
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.TrimSuffix(endpoint, "/") + "/" + url.PathEscape(t.Bucket) + "/" + strings.Join(parts, "/")
}

func (t Task) open(ctx context.Context, c *modules.Call) (*Transfer, error) {
	b, err := c.Bucket(ctx, modules.BucketRef{
		Service: t.Service, Name: t.Bucket, Region: t.Region, Endpoint: t.Endpoint, Keys: t.Keys(), Create: t.Create,
	})
	if err != nil {
		return nil, t.remedy(err)
	}
	return &Transfer{
		What: t.What, Stored: t.Stored, ACL: t.ACL, Bucket: b, Scheme: t.Service.Scheme(), Name: t.Bucket, Dir: c.Workspace, Log: c.Log,
		Moved: c.Moved,
	}, nil
}

// remedy says whose keys were missing, of a task that has none and was denied.
func (t Task) remedy(err error) error {
	if t.Endpoint != "" && t.AccessKeyID == "" && cloud.Is(err, cloud.Denied) {
		return fmt.Errorf("%w; at an endpoint that is not the operator's a worker does not use his keys: give accessKeyId, unless the bucket is public", err)
	}
	return err
}

// Wrong is a *modules.PropError of all that is wrong; nil where nothing is.
func Wrong(problems ...[]modules.Problem) error {
	if all := slices.Concat(problems...); all != nil {
		return &modules.PropError{Problems: all}
	}
	return nil
}
