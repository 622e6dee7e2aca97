package cosqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"

	"github.com/millrace/millrace/worker/queue"
)

const (
	// skewWarning and skewBad are how far our clock and the bucket's may differ: signatures are refused from 15 min on.
	skewWarning = time.Minute
	skewBad     = 10 * time.Minute
)

// Examine looks at what a queue in a bucket depends on: that it can be reached, conditional writes, clocks, versions and
// rules that delete, and objects that are no messages.
func (d *Driver) Examine(ctx context.Context) []queue.Finding {
	var p page
	p, err := d.bucket.list(ctx, jobs, "")
	if err != nil {
		return []queue.Finding{{
			Check: "bucket", Level: queue.Bad, Text: err.Error(),
			Remedy: "Check endpoint, bucket and credentials; they must allow to list, read, write and delete objects.",
		}}
	}
	return []queue.Finding{
		{Check: "bucket", Level: queue.Good, Text: d.Name() + " can be listed"},
		d.examineWrites(ctx),
		examineClock(p.now),
		d.examineVersions(ctx),
		d.examineRules(ctx),
		d.examineNames(ctx),
	}
}

func (d *Driver) examineWrites(ctx context.Context) queue.Finding {
	f := queue.Finding{Check: "conditional writes", Level: queue.Good, Text: "of two writers of an object one wins"}
	if err := d.bucket.probe(ctx); err != nil {
		f.Level, f.Text = queue.Bad, err.Error()
		f.Remedy = "Use SQS, or a bucket that honours If-None-Match and If-Match, with credentials that may write and delete."
	}
	return f
}

func examineClock(bucketNow time.Time) queue.Finding {
	if bucketNow.IsZero() {
		return queue.Finding{Check: "clock", Level: queue.Good, Text: "the bucket does not say what time it has"}
	}
	skew := time.Until(bucketNow).Round(time.Second)
	f := queue.Finding{Check: "clock", Level: queue.Good, Text: fmt.Sprintf("the bucket's clock is %s from ours", skew.Abs())}
	if skew.Abs() >= skewWarning {
		f.Level, f.Remedy = queue.Warning, "Set this machine's clock by NTP: requests are refused when it is off by 15 minutes."
	}
	if skew.Abs() >= skewBad {
		f.Level = queue.Bad
	}
	return f
}

func (d *Driver) examineVersions(ctx context.Context) queue.Finding {
	f := queue.Finding{Check: "versioning", Level: queue.Good, Text: "deleted messages leave no versions behind"}
	limited, cancel := d.bucket.call(ctx, "GET")
	defer cancel()
	out, err := d.bucket.client.GetBucketVersioningWithContext(limited, &s3.GetBucketVersioningInput{Bucket: &d.bucket.name})
	switch {
	case err != nil:
		f.Text = "the bucket does not say whether it keeps versions"
	case aws.StringValue(out.Status) == s3.BucketVersioningStatusEnabled:
		f.Level, f.Text = queue.Warning, "the bucket keeps a version of every deleted message and of every write of a lease"
		f.Remedy = "Add a lifecycle rule that expires old versions below the prefix, or use a bucket without versioning."
	}
	return f
}

func (d *Driver) examineRules(ctx context.Context) queue.Finding {
	f := queue.Finding{Check: "lifecycle", Level: queue.Good, Text: "no rule is known that expires waiting messages"}
	limited, cancel := d.bucket.call(ctx, "GET")
	defer cancel()
	out, err := d.bucket.client.GetBucketLifecycleConfigurationWithContext(limited,
		&s3.GetBucketLifecycleConfigurationInput{Bucket: &d.bucket.name})
	if err != nil {
		return f // there is none, or we may not see it
	}
	for _, r := range out.Rules {
		if r.Expiration == nil || aws.StringValue(r.Status) != s3.ExpirationStatusEnabled {
			continue
		}
		prefix := ""
		if r.Filter != nil {
			prefix = aws.StringValue(r.Filter.Prefix)
		}
		if !overlap(prefix, d.bucket.prefix+jobs) {
			continue
		}
		f.Level = queue.Warning
		f.Text = fmt.Sprintf("lifecycle rule %q deletes messages that wait for %d days", aws.StringValue(r.ID), aws.Int64Value(r.Expiration.Days))
		f.Remedy = "Limit the rule to another prefix, or make sure that no message waits so long."
	}
	return f
}

// overlap says whether one of the prefixes begins with the other.
func overlap(a, b string) bool {
	n := min(len(a), len(b))
	return a[:n] == b[:n]
}

func (d *Driver) examineNames(ctx context.Context) queue.Finding {
	f := queue.Finding{Check: "names", Level: queue.Good, Text: "every object below jobs/ is a message"}
	strange, example, chosen := 0, "", ""
	_, err := d.bucket.all(ctx, jobs, func(_ page, o object) {
		switch _, _, ok := ours(o.key); {
		case o.key != "" && !o.message():
			strange++
			example = o.key
		case !ok:
			chosen = o.key
		}
	})
	switch {
	case err != nil:
		f.Level, f.Text, f.Remedy = queue.Bad, err.Error(), "Check endpoint, bucket and credentials."
	case strange > 0:
		f.Level = queue.Warning
		f.Text = fmt.Sprintf("%d objects below jobs/ are left alone, %q for one: their names or sizes are not a message's", strange, clip(example, 80))
		f.Remedy = fmt.Sprintf("Name messages with letters, digits, dots, underscores and hyphens, up to %d of them; up to %d bytes; no folders.", maxName, maxBody)
	case chosen != "" && !d.bucket.guarded.Load():
		f.Level = queue.Warning
		f.Text = fmt.Sprintf("producers name messages, %q for one, and this bucket deletes without a look at what stands there", chosen)
		f.Remedy = "Have producers use each name once: one that is put again just when its message is deleted is lost."
	}
	return f
}
