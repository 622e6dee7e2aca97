package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
)

// An address is a queue as people write it: one of its fields is set.
type address struct {
	name string
	arn  arn.ARN
	url  *url.URL
}

func parseAddress(s string) (address, error) {
	switch {
	case s == "":
		return address{}, errors.New("sqs: no queue is named; give its name, ARN or URL")
	case arn.IsARN(s):
		a, err := arn.Parse(s)
		if err != nil || a.Service != "sqs" || !isName(a.Resource) || a.Region == "" {
			return address{}, fmt.Errorf("sqs: %q is not the ARN of a queue; one looks like arn:aws:sqs:eu-west-1:123456789012:jobs", s)
		}
		return address{arn: a}, nil
	case strings.Contains(s, "://"):
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || !isName(lastOf(u.Path)) {
			return address{}, fmt.Errorf("sqs: %q is not the URL of a queue; one looks like https://sqs.eu-west-1.amazonaws.com/123456789012/jobs", s)
		}
		return address{url: u}, nil
	case !isName(s):
		return address{}, fmt.Errorf("sqs: %q is no queue's name: letters, digits, - and _, at most 80; .fifo at the end of a FIFO queue's", s)
	}
	return address{name: s}, nil
}

func isName(s string) bool {
	base := strings.TrimSuffix(s, ".fifo")
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	return base != "" && len(s) <= 80 && strings.IndexFunc(base, other) < 0
}

func isFIFO(name string) bool { return strings.HasSuffix(name, ".fifo") }

func lastOf(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// region is the queue's, where its address says so: that of another fails with an answer that misleads.
func (a address) region(otherwise string) string {
	if a.arn.Region != "" {
		return a.arn.Region
	}
	if a.url != nil {
		if region := cloud.QueueRegion(a.url.Hostname()); region != "" {
			return region
		}
	}
	return otherwise
}

// endpoint is where a URL leads: that of a VPC endpoint or of FIPS to no other. It is empty where the region says it: so
// with REGION.queue.amazonaws.com, which is an old name of the same.
func (a address) endpoint() string {
	if a.url == nil || strings.HasSuffix(a.url.Hostname(), "queue.amazonaws.com") {
		return ""
	}
	return a.url.Scheme + "://" + a.url.Host
}

// resolve returns the queue's URL.
func (d *Driver) resolve(ctx context.Context, a address) (string, error) {
	in := &sqs.GetQueueUrlInput{QueueName: aws.String(a.name)}
	switch {
	case a.url != nil:
		return a.url.String(), nil
	case a.arn.Resource != "":
		in.QueueName, in.QueueOwnerAWSAccountId = aws.String(a.arn.Resource), aws.String(a.arn.AccountID)
	}
	call, cancel := d.limited(ctx)
	defer cancel()
	out, err := d.calls.GetQueueUrl(call, in)
	if err != nil {
		return "", sdk.Explain(ctx, "find queue "+*in.QueueName, err)
	}
	return aws.ToString(out.QueueUrl), nil
}

// sibling is the URL of the queue of an ARN in the account and region of url: a dead-letter queue is there always.
func sibling(url, name string) string {
	return strings.TrimSuffix(url, lastOf(url)) + name
}
