package historytest

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"time"
)

// An sqsBody is what we read of the requests and answers of SQS.
type sqsBody struct {
	QueueUrl          string
	ReceiptHandle     string
	VisibilityTimeout *int64
	WaitTimeSeconds   int64
	Entries           []struct {
		Id, ReceiptHandle string
		VisibilityTimeout int64
	}
	Messages []struct{ MessageId, ReceiptHandle, Body string }
	Failed   []struct{ Id string }
}

// readSQS reads a request of the JSON protocol. What it can't read it leaves: the server answers it.
func readSQS(c *Call, body []byte) {
	var b sqsBody
	_ = json.Unmarshal(body, &b) // the server says what is wrong with it
	c.Queue = path.Base(b.QueueUrl)
	hidden := func(seconds int64) time.Duration { return time.Duration(seconds) * time.Second }
	switch c.Verb {
	case "ReceiveMessage":
		c.Wait = hidden(b.WaitTimeSeconds)
		if b.VisibilityTimeout != nil {
			c.Hidden = hidden(*b.VisibilityTimeout)
		}
	case "DeleteMessage":
		c.Changes = []Change{{Receipt: b.ReceiptHandle, Delete: true}}
	case "ChangeMessageVisibility":
		c.Changes = []Change{{Receipt: b.ReceiptHandle}}
		if b.VisibilityTimeout != nil {
			c.Changes[0].Hidden = hidden(*b.VisibilityTimeout)
		}
	case "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		for _, e := range b.Entries {
			c.Changes = append(c.Changes, Change{
				Receipt: e.ReceiptHandle, Delete: c.Verb == "DeleteMessageBatch", Hidden: hidden(e.VisibilityTimeout), entry: e.Id,
			})
		}
	}
}

// readSQSAnswer adds to a call what came of it.
func readSQSAnswer(c *Call, answer []byte) {
	if c.Status/100 != 2 {
		return
	}
	var b sqsBody
	_ = json.Unmarshal(answer, &b) // DeleteMessage answers nothing
	for _, m := range b.Messages {
		c.Messages = append(c.Messages, Delivery{ID: m.MessageId, Jobs: JobsOf([]byte(m.Body)), Receipt: m.ReceiptHandle})
	}
	failed := map[string]bool{}
	for _, f := range b.Failed {
		failed[f.Id] = true
	}
	for i := range c.Changes {
		c.Changes[i].Done = !failed[c.Changes[i].entry]
	}
}

// JobsOf are the ids of the jobs in a message's body: of the only one, or of those in a list of CloudEvents.
func JobsOf(body []byte) []string {
	var m struct{ ID string }
	if json.Unmarshal(body, &m) == nil {
		return []string{m.ID}
	}
	var events []struct{ Data struct{ ID string } }
	_ = json.Unmarshal(body, &events) // then it has none
	var ids []string
	for _, e := range events {
		ids = append(ids, e.Data.ID)
	}
	return ids
}

// leases says whether a call writes the lease of a message in a bucket.
func (c Call) leases() bool {
	return c.Verb == http.MethodPut && path.Base(path.Dir("/"+c.Key)) == "leases"
}

// readS3 reads a request with the bucket in its path.
func readS3(req *http.Request, body []byte) *Call {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	c := &Call{Verb: req.Method, Bucket: bucket, Key: key}
	if req.Method == http.MethodGet && key == "" {
		c.Verb, c.Key = "LIST", req.URL.Query().Get("prefix")
	}
	c.Create = req.Header.Get("If-None-Match") == "*"
	c.Match = strings.Trim(req.Header.Get("If-Match"), `"`)
	if c.leases() {
		var lease struct {
			State, Token string
			MS           int64
		}
		_ = json.Unmarshal(body, &lease) // then it is none
		c.State, c.Token, c.Hidden = lease.State, lease.Token, time.Duration(lease.MS)*time.Millisecond
	}
	return c
}
