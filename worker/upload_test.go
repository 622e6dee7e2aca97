package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// event is S3's about objects that were made, of these keys as it writes them.
func event(keys ...string) string {
	var records []string
	for i, key := range keys {
		records = append(records, fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","eventTime":"2025-03-04T10:11:12.000Z",
			"s3":{"s3SchemaVersion":"1.0","bucket":{"name":"models"},"object":{"key":%q,"size":7,"eTag":"e","sequencer":"%02d"}}}`, key, i))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

// byStem makes of models a job each, by the route "cad".
func byStem(u job.Upload) (*job.Job, string, error) {
	stem, ok := strings.CutSuffix(u.Key, ".stl")
	if !ok {
		return nil, "no route takes " + u.Key, nil
	}
	if stem == "broken" {
		return nil, "", errors.New("its template is wrong")
	}
	return &job.Job{ID: "u-" + strings.ReplaceAll(stem, " ", "_") + "-" + u.Sequencer, Name: "cad", Pipeline: "p"}, "", nil
}

func (b *bench) routed() *[]string {
	var rules []string
	b.cfg.Route = byStem
	b.cfg.Routed = func(rule string) { rules = append(rules, rule) }
	return &rules
}

func TestTwoUploadsInOneEventAreTwoJobsAndARedeliveryMakesNoThird(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"u-red_chair-01": once(fault.Transient)}}
	onBench(t, s.run, as, func(b *bench) {
		rules := b.routed()
		b.send(event("table.stl", "red+chair.stl", "notes.txt"))
		b.stop(5*time.Minute, 0)
		require.Equal(t, []string{"u-table-00", "u-red_chair-01", "u-red_chair-01"}, s.ran)
		require.Equal(t, []string{"nack", "ack"}, b.answers)
		require.Equal(t, []string{"cad", "cad", ""}, *rules, "counted once, when the message is settled")
		b.send(event("table.stl", "red+chair.stl", "notes.txt"))
		b.stop(time.Minute, 0)
		require.Len(t, s.ran, 3, "the bucket's service may tell twice")
		require.Equal(t, []string{"nack", "ack", "ack"}, b.answers)
	})
}

func TestAMessageWhoseOnlyUploadIsAJobIsThatJobs(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"u-chair-00": always(fault.Permanent)}}
	onBench(t, s.run, as, func(b *bench) {
		rules := b.routed()
		b.send(event("chair.stl"))
		b.stop(time.Minute, 0)
		require.Equal(t, []string{"bury"}, b.answers)
		require.Equal(t, []string{`task "t": it broke`}, b.reasons)
		require.Equal(t, []string{"cad"}, *rules)
	})
}

func TestAnUploadThatNoRuleTakesIsDeletedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	var s shift
	onBench(t, s.run, as, func(b *bench) {
		rules := b.routed()
		b.send(event("notes.txt"))
		b.send(`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2024-07-24T16:56:57.011Z","Bucket":"models"}`)
		b.stop(time.Minute, 0)
		require.Empty(t, s.ran)
		require.Equal(t, []string{"ack", "ack"}, b.answers)
		require.Equal(t, []string{""}, *rules)
		for range b.cfg.Records.Index(t.Context(), time.Time{}, record.Place{}) {
			t.Fatal("there is a record")
		}
	})
}

// Somebody waits for that job, who would hear of nothing.
func TestAnUploadThatARuleTakesAndMakesNoJobOfIsBuriedAndTheOthersRun(t *testing.T) {
	t.Parallel()
	var s shift
	onBench(t, s.run, as, func(b *bench) {
		b.routed()
		b.send(event("table.stl", "broken.stl"))
		b.stop(time.Minute, 0)
		require.Equal(t, []string{"u-table-00"}, s.ran)
		require.Equal(t, []string{"bury"}, b.answers)
		require.Contains(t, b.reasons[0], "its template is wrong")
	})
}

func TestAWorkerWithoutARoutingTableBuriesUploadsAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	var s shift
	onBench(t, s.run, as, func(b *bench) {
		b.send(event("table.stl", "chair.stl"))
		b.stop(time.Minute, 0)
		require.Empty(t, s.ran)
		require.Equal(t, []string{"bury"}, b.answers)
		require.Contains(t, b.reasons[0], "MILLRACE_ROUTES")
		require.Equal(t, record.Failed, b.status("m0"))
	})
}

// Else it would take down one worker after the other.
func TestAMessageThatNoWorkerCanReadForABugIsBuried(t *testing.T) {
	t.Parallel()
	var s shift
	onBench(t, s.run, as, func(b *bench) {
		b.cfg.Route = func(u job.Upload) (*job.Job, string, error) {
			if u.Key == "bad.stl" {
				panic("index out of range")
			}
			return byStem(u)
		}
		b.send(event("table.stl", "bad.stl"))
		b.stop(time.Minute, 0)
		require.Empty(t, s.ran)
		require.Equal(t, []string{"bury"}, b.answers)
		require.Contains(t, b.reasons[0], "index out of range")
		require.Equal(t, record.Failed, b.status("m0"))
	})
}

// The workers of another class may have another table, or none.
func TestAJobOfAnUploadIsSentOnToItsClassAsItself(t *testing.T) {
	t.Parallel()
	var s shift
	onBench(t, s.run, as, func(b *bench) {
		there := &bench{t: t, messages: map[string]*queue.Message{}}
		q, err := queue.New(queue.Config{Driver: there})
		require.NoError(t, err)
		b.cfg.Classes = map[string]*queue.Queue{"gpu": q}
		b.cfg.Route = func(u job.Upload) (*job.Job, string, error) {
			j, why, err := byStem(u)
			j.Requires = map[string]string{"class": "gpu"}
			return j, why, err
		}
		b.send(event("chair.stl"))
		b.stop(time.Minute, 0)
		require.Equal(t, []string{"ack"}, b.answers)
		sent := there.take(10)
		require.Len(t, sent, 1)
		j, err := job.One(sent[0])
		require.NoError(t, err)
		require.Equal(t, "u-chair-00", j.ID)
	})
}
