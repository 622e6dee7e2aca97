package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

const genLifecycleLong = `Writes the rules by which a bucket removes what is old: outputs, files that were
uploaded for jobs, then records, uploads that nobody finished, and what a queue in the bucket has given up. The form is that of
S3's API, which IBM COS and others take too:

  millrace gen lifecycle --store s3://bucket/millrace -o rules.json
  aws s3api put-bucket-lifecycle-configuration --bucket bucket \
    --lifecycle-configuration file://rules.json

The rules take the place of all that the bucket has: add yours to them. Ages count in
whole days from when an object was written. Outputs of jobs that say how long they are kept
(keep_outputs) have rules of their own: they go after 1, 3, 7, 14, 30, 90 or 365 days, the
first that is not less. Of callbacks that wait in the outbox nothing is removed.
For a folder there are ` + "`millrace work`" + ` --keep-outputs, --keep-uploads and --keep-records.

Exit codes: 0 done · 2 the command line is wrong.`

// A lifecycle is what `millrace gen lifecycle` was told. Ages are in days.
type lifecycle struct {
	store, queue, out                string
	outputs, records, dead, unfinish int
	uploads                          int
}

// A lifecycleRule is one of S3's PutBucketLifecycleConfiguration, as the command line of AWS reads it.
type lifecycleRule struct {
	ID         string
	Status     string
	Filter     lifecycleFilter
	Expiration *lifecycleAge   `json:",omitempty"`
	Abort      *lifecycleAbort `json:"AbortIncompleteMultipartUpload,omitempty"`
}

type lifecycleFilter struct{ Prefix string }

type lifecycleAge struct{ Days int }

type lifecycleAbort struct{ DaysAfterInitiation int }

func newGenLifecycleCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lifecycle", Short: "Rules by which a bucket removes what is old", Long: genLifecycleLong, Args: args(cobra.NoArgs),
		Example: "  millrace gen lifecycle --store s3://bucket/millrace --outputs 30 --records 90",
	}
	var l lifecycle
	flags := cmd.Flags()
	flags.StringVar(&l.store, "store", "", "store in the bucket: s3://bucket/prefix or cos://bucket/prefix")
	flags.StringVar(&l.queue, "queue", "", "queue in the same bucket: cos://bucket/prefix")
	flags.IntVar(&l.outputs, "outputs", 30, "days that outputs of jobs are kept that do not say; 0 is for ever")
	flags.IntVar(&l.uploads, "uploads", 30, "days that files are kept which were uploaded for jobs, at least 15; 0 is for ever")
	flags.IntVar(&l.records, "records", 90, "days that records of jobs are kept, at least 15; 0 is for ever")
	flags.IntVar(&l.dead, "dead", 14, "days that messages are kept which were given up; 0 is for ever")
	flags.IntVar(&l.unfinish, "unfinished", 7, "days until an upload that nobody finished is removed")
	flags.StringVarP(&l.out, "output", "o", "", "write to this file")
	cmd.RunE = func(c *cobra.Command, _ []string) error { return l.write(c.OutOrStdout()) }
	return cmd
}

func (l *lifecycle) write(out io.Writer) error {
	rules, err := l.rules()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{"Rules": rules}, "", "  ")
	if err != nil {
		return err
	}
	return writeOut(l.out, out, string(text)+"\n")
}

func (l *lifecycle) rules() ([]lifecycleRule, error) {
	store, queue, err := l.places()
	if err != nil {
		return nil, err
	}
	const leastRecords = int(record.LeastRecords / (24 * time.Hour))
	switch {
	case l.uploads < 0 || l.outputs < 0 || l.records < 0 || l.dead < 0 || l.unfinish < 1:
		return nil, usage("days can't be below 0, and those of --unfinished not below 1")
	case l.records > 0 && l.records < leastRecords:
		return nil, usage("--records: must be 0 or at least %d days: a copy of a message that comes later runs the job again", leastRecords)
	case l.uploads > 0 && l.uploads < leastRecords:
		return nil, usage("--uploads: must be 0 or at least %d days: a job may wait so long, and needs them then", leastRecords)
	case l.records > 0 && l.outputs > l.records:
		return nil, usage("--outputs: %d days is longer than the records are kept that name them, %d", l.outputs, l.records)
	}
	var rules []lifecycleRule
	expire := func(id, prefix string, days int) {
		if days > 0 {
			rules = append(rules, lifecycleRule{ID: "millrace-" + id, Status: "Enabled", Filter: lifecycleFilter{prefix}, Expiration: &lifecycleAge{days}})
		}
	}
	abort := func(id, prefix string) {
		rules = append(rules, lifecycleRule{ID: "millrace-" + id, Status: "Enabled", Filter: lifecycleFilter{prefix}, Abort: &lifecycleAbort{l.unfinish}})
	}
	if store != nil {
		below := prefixOf(store.prefix)
		expire("outputs", below+record.KeptPrefix(0), l.outputs)
		for _, days := range record.Kept() {
			age := days
			if l.records > 0 {
				age = min(days, l.records)
			}
			expire(fmt.Sprintf("outputs-%dd", days), below+record.KeptPrefix(days), age)
		}
		expire("uploads", below+job.Uploads, l.uploads)
		expire("records", below+"jobs/", l.records)
		expire("index", below+"index/", l.records)
		for _, part := range []string{"claims", "exhausted", "gone"} { // not due: those wait to be sent
			expire("callbacks-"+part, below+"outbox/"+part+"/", l.records)
		}
		abort("unfinished", below)
	}
	if queue != nil {
		expire("dead", prefixOf(queue.prefix)+"dead/", l.dead)
	}
	return rules, nil
}

// prefixOf is how the keys of a place begin.
func prefixOf(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix + "/"
}

// places are the store and the queue, of which one may be missing; both lie in one bucket.
func (l *lifecycle) places() (store *storeRef, queue *queueRef, err error) {
	if l.store != "" {
		s, err := parseStore(l.store)
		if err != nil || s.kind == kindLocal {
			return nil, nil, usage("--store: %q is no bucket; write s3://bucket/prefix or cos://bucket/prefix", l.store)
		}
		store = &s
	}
	if l.queue != "" {
		q, err := parseQueue(l.queue)
		if err != nil || q.kind != kindCOS {
			return nil, nil, usage("--queue: %q is no queue in a bucket; write cos://bucket/prefix", l.queue)
		}
		queue = &q
	}
	switch {
	case store == nil && queue == nil:
		return nil, nil, usage("name what lies in the bucket: --store s3://bucket/prefix, --queue cos://bucket/prefix, or both")
	case store != nil && queue != nil && store.bucket != queue.bucket:
		return nil, nil, usage("--store and --queue are in different buckets: each has rules of its own, so write them one by one")
	case store != nil && queue != nil && (within(store.prefix, queue.prefix) || within(queue.prefix, store.prefix)):
		return nil, nil, usage("%s and %s overlap: the rules of the one would remove what waits in the other; give each a prefix of its own", store.text, queue.text)
	}
	return store, queue, nil
}
