package sqsqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/worker/queue"
)

const (
	identityLimit = 3 * time.Second
	// skewed is a difference of clocks that is worth mending; SQS refuses calls from 15 minutes on.
	skewed = time.Minute
	// enoughReceives is what the redrive policy should allow: SQS counts hand-backs as it counts failures.
	enoughReceives = 100
)

// Examine asks SQS and STS; each answer has a time limit.
func (d *Driver) Examine(ctx context.Context) []queue.Finding {
	found := []queue.Finding{d.identity(ctx)}
	own, server, err := d.setUp(ctx, d.url)
	if err != nil {
		return append(found, unreadable("queue", err))
	}
	kind := "standard"
	if d.fifo {
		kind = "FIFO"
	}
	found = append(found, queue.Finding{Check: "queue", Level: queue.Good, Text: fmt.Sprintf("%s is a %s queue, and its attributes can be read", d.url, kind)})
	found = append(found, clock(server), d.lease(), limit())
	return append(found, d.examineDead(ctx, own)...)
}

func (d *Driver) setUp(ctx context.Context, url string) (attributes map[string]string, server time.Time, err error) {
	call, cancel := d.limited(ctx)
	defer cancel()
	out, err := d.calls.GetQueueAttributes(call, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return nil, time.Time{}, sdk.Explain(ctx, "read the attributes of "+url, err)
	}
	server, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
	return out.Attributes, server, nil
}

func unreadable(check string, err error) queue.Finding {
	return queue.Finding{
		Check: check, Level: queue.Bad, Text: err.Error(),
		Remedy: "Check the queue's name and region, and allow sqs:GetQueueAttributes, ReceiveMessage, ChangeMessageVisibility, DeleteMessage and SendMessage.",
	}
}

func (d *Driver) identity(ctx context.Context) queue.Finding {
	const check = "identity"
	call, cancel := context.WithTimeout(ctx, identityLimit)
	defer cancel()
	if _, err := d.aws.Credentials.Retrieve(call); err != nil {
		return queue.Finding{
			Check: check, Level: queue.Bad, Text: sdk.Explain(ctx, "read the credentials", err).Error(),
			Remedy: "Give credentials by the environment, a profile, or the pod's identity.",
		}
	}
	out, err := sts.NewFromConfig(d.aws).GetCallerIdentity(call, &sts.GetCallerIdentityInput{})
	if err != nil {
		return queue.Finding{Check: check, Level: queue.Good, Text: "credentials are there; whose they are is not known, for STS gives no answer"}
	}
	return queue.Finding{Check: check, Level: queue.Good, Text: "calls are made as " + aws.ToString(out.Arn)}
}

func clock(server time.Time) queue.Finding {
	const check = "clock"
	if server.IsZero() {
		return queue.Finding{Check: check, Level: queue.Good, Text: "the server does not say what time it is"}
	}
	off := time.Since(server).Round(time.Second)
	if off.Abs() < skewed {
		return queue.Finding{Check: check, Level: queue.Good, Text: "this machine's clock and that of SQS agree"}
	}
	return queue.Finding{
		Check: check, Level: queue.Warning, Text: fmt.Sprintf("this machine's clock differs from that of SQS by %s", off),
		Remedy: "Set the clock by NTP; SQS refuses calls that are 15 minutes off.",
	}
}

func (d *Driver) lease() queue.Finding {
	const check, short = "visibility", 15 * time.Second
	beat := d.visibility / 3
	f := queue.Finding{Check: check, Level: queue.Good, Text: fmt.Sprintf("a message is hidden for %s, and extended every %s while a job runs", d.visibility, beat)}
	if d.visibility < short {
		f.Level, f.Remedy = queue.Warning, fmt.Sprintf("Make it %s or more: a pause of the network of %s loses leases.", short, d.visibility-beat)
	}
	return f
}

func limit() queue.Finding {
	return queue.Finding{Check: "longest job", Level: queue.Good, Text: fmt.Sprintf("SQS hides a message for %s after a delivery at most; a job that would run longer is stopped before", maxHidden)}
}

func (d *Driver) examineDead(ctx context.Context, own map[string]string) []queue.Finding {
	const check = "dead-letter queue"
	policy := parseRedrive(d.url, own[string(types.QueueAttributeNameRedrivePolicy)])
	found := []queue.Finding{receives(policy)}
	url := policy.url
	if d.deadURL != "" {
		url = d.deadURL
	}
	if url == "" {
		return append(found, queue.Finding{
			Check: check, Level: queue.Bad, Text: "there is none: a message that can't be done stays in the queue until its retention ends",
			Remedy: "Create a queue, and name it in this queue's redrive policy with maxReceiveCount 100.",
		})
	}
	its, _, err := d.setUp(ctx, url)
	if err != nil {
		f := unreadable(check, err)
		if cloud.Is(err, cloud.Missing) {
			f.Remedy = "Create that queue, or correct the redrive policy (or MILLRACE_DEAD_QUEUE) that names it."
		}
		return append(found, f)
	}
	if isFIFO(url) != d.fifo {
		return append(found, queue.Finding{
			Check: check, Level: queue.Bad, Text: fmt.Sprintf("%s is not of the same kind as the queue", url),
			Remedy: "The dead-letter queue of a FIFO queue must be FIFO, that of a standard queue standard.",
		})
	}
	found = append(found, queue.Finding{Check: check, Level: queue.Good, Text: url + " takes messages that can't be done"})
	return append(found, retention(own, its))
}

func receives(p redrive) queue.Finding {
	f := queue.Finding{Check: "receive count", Level: queue.Good}
	switch {
	case p.url == "":
		f.Text = "SQS has no redrive policy, so it moves no message by its own count"
	case p.max < 3:
		f.Level, f.Text = queue.Bad, fmt.Sprintf("SQS buries a message after %d receives, hand-backs and interruptions included", p.max)
		f.Remedy = fmt.Sprintf("Set maxReceiveCount to %d or more; attempts are counted by the worker.", enoughReceives)
	case p.max < enoughReceives:
		f.Level, f.Text = queue.Warning, fmt.Sprintf("SQS buries a message after %d receives; one that comes near is sent again, which costs two calls", p.max)
		f.Remedy = fmt.Sprintf("Set maxReceiveCount to %d or more; attempts are counted by the worker.", enoughReceives)
	default:
		f.Text = fmt.Sprintf("SQS buries a message after %d receives, which healthy ones do not reach", p.max)
	}
	return f
}

// retention compares how long both queues keep messages: in a standard queue a message that SQS moves keeps the age that it
// has, so that the dead-letter queue must keep it longer to keep it at all.
func retention(own, its map[string]string) queue.Finding {
	const check, name = "retention", string(types.QueueAttributeNameMessageRetentionPeriod)
	source, dead := time.Duration(number(own[name]))*time.Second, time.Duration(number(its[name]))*time.Second
	if source == 0 || dead == 0 {
		return queue.Finding{Check: check, Level: queue.Good, Text: "the server does not say how long it keeps messages"}
	}
	f := queue.Finding{Check: check, Level: queue.Good, Text: fmt.Sprintf("the queue keeps messages for %s, its dead-letter queue for %s", days(source), days(dead))}
	switch {
	case dead < source:
		f.Level, f.Remedy = queue.Bad, "Raise MessageRetentionPeriod of the dead-letter queue to 14 days: messages vanish from it before anyone sees them."
	case dead == source && source < 14*24*time.Hour:
		f.Level, f.Remedy = queue.Warning, "Raise MessageRetentionPeriod of the dead-letter queue to 14 days: it counts from when the message was first sent."
	}
	return f
}

func days(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%.4g days", d.Hours()/24)
	}
	return d.String()
}
