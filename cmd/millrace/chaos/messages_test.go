//go:build linux

package chaos_test

import (
	"context"
	"encoding/json"
	"maps"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/historytest"
	"github.com/millrace/millrace/worker/queue"
)

// send puts jobs into the queue, those that share a message three to each. state is what the job's pipeline is told; a chaotic
// one needs nothing.
func (f *fleet) send(pipeline string, jobs []historytest.Job, state func(i int) map[string]any) {
	f.t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	put := func(message any) {
		body, err := json.Marshal(message)
		require.NoError(f.t, err)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f.put(body); err != nil {
				f.t.Error(err)
			}
		})
	}
	var shared []any
	for i, j := range jobs {
		message := f.message(pipeline, i, j, state)
		if !j.Shares {
			put(message)
			continue
		}
		shared = append(shared, map[string]any{"specversion": "1.0", "id": j.ID, "source": "/fleet", "type": "job", "data": message})
		if len(shared) == 3 || i == len(jobs)-1 {
			put(shared)
			shared = nil
		}
	}
	wg.Wait()
	f.h.Jobs = append(f.h.Jobs, jobs...)
}

// message asks for one job.
func (f *fleet) message(pipeline string, i int, j historytest.Job, state func(i int) map[string]any) map[string]any {
	all := map[string]any{"letter": string(letter(i)), "nap": "0.03", "fate": "fine", "ear": f.receiver.URL}
	message := map[string]any{"id": j.ID, "pipeline": pipeline, "state": all}
	if state != nil {
		maps.Copy(all, state(i))
	}
	if all["fate"] == "fails" {
		message["max_attempts"] = 1
	}
	if j.Callback {
		message["callback"] = map[string]any{"url": f.receiver.URL}
	}
	return message
}

// put sends one message.
func (f *fleet) put(body []byte) error {
	if f.cos == nil {
		_, err := f.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &f.url, MessageBody: aws.String(string(body))})
		return err
	}
	f.mu.Lock() // the workers' calls are read when they are over
	defer f.mu.Unlock()
	id, err := f.cos.Send(context.Background(), queue.Draft{Body: body})
	f.h.Sent[id] = historytest.JobsOf(body)
	return err
}

// one sends one job that must succeed.
func (f *fleet) one(pipeline, id string) {
	f.t.Helper()
	f.send(pipeline, []historytest.Job{{ID: id, Callback: true, Succeeds: true}}, nil)
}

// tally counts the jobs of a message.
func tally(into map[string]int, body []byte) {
	for _, job := range historytest.JobsOf(body) {
		into[job]++
	}
}
