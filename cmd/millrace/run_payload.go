package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
)

// payloadVariable holds the message of a pod that is there for one job, as the renderer of VideoGenie has it.
const payloadVariable = "JOB_PAYLOAD"

// request is what the command line asks for, and what it may do: all, unless it is a message that nobody typed.
func (c *runConfig) request(stdin io.Reader, file string, a []string) (*launch.Request, launch.Policy, error) {
	cat := newCatalogue(c.Pipelines)
	source, values := splitSource(file, a)
	if payload, set := os.LookupEnv(payloadVariable); set && source == "" {
		req, err := payloadRequest(payload, values, cat)
		return req, launch.Policy{AllowHosts: c.AllowHosts, Shell: launch.ShellCatalogue}, err
	}
	source = cmp.Or(source, "-")
	req, err := readRequest(stdin, source, values, cat)
	if err == nil && (source == "-" || !isName(source)) && isMessage(req.Source, req.Document) {
		req, err = messageRequest(req.Document, values, cat)
	}
	return req, launch.Policy{AllowPrivate: true, Shell: launch.ShellAll, AnyBucket: true}, err
}

// splitSource takes what names the pipeline off the arguments; "-" is stdin, empty is nothing.
func splitSource(file string, a []string) (source string, rest []string) {
	switch {
	case file != "":
		return "file://" + file, a
	case len(a) > 0 && !strings.Contains(a[0], "="):
		return a[0], a[1:]
	}
	return "", a
}

// payloadRequest is the request of a pod's payload: any message that asks for one job. What it says is data, and not the
// operator's.
func payloadRequest(text string, values []string, cat *pipelines.Catalogue) (*launch.Request, error) {
	req, err := messageRequest([]byte(text), values, cat)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", payloadVariable, err)
	}
	req.Trusted = req.Job.Inline == nil
	return req, nil
}

// messageRequest is the request of a message, with values laid over its state. A message without an ID gets that of JOB_ID, else
// one that no other has.
func messageRequest(body []byte, values []string, cat *pipelines.Catalogue) (*launch.Request, error) {
	state, order, err := job.ParseState(values)
	if err != nil {
		return nil, usage("%w", err)
	}
	j, err := job.One(queue.Message{ID: cmp.Or(os.Getenv("JOB_ID"), newRunID()), Body: body})
	if err != nil {
		return nil, err
	}
	if len(j.Inputs) > 0 {
		return nil, errors.New("the message has inputs, which lie in a worker's store: send it to its queue")
	}
	if len(state) > 0 {
		if j.State == nil {
			j.State = map[string]any{}
		}
		j.StateOrder = j.StateOrder.Overlay(j.State, state, order)
		maps.Copy(j.State, state)
	}
	req := &launch.Request{Job: j, Attempt: 1, Last: true, Trusted: true}
	if j.Inline != nil {
		req.Document, req.Source, req.Digest = j.Inline, "message", pipelines.Digest(j.Inline)
		return req, nil
	}
	if req.Document, req.Source, req.Digest, err = cat.Document(j.Pipeline); err != nil {
		return nil, err
	}
	if j.Version != "" && j.Version != req.Digest {
		return nil, fmt.Errorf("%s is %s, not %s", req.Source, req.Digest, j.Version)
	}
	return req, nil
}

func newRunID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// isMessage says whether a file that was named is a message rather than a pipeline: a map without tasks or entries that asks for a
// job.
func isMessage(source string, doc []byte) bool {
	v, err := pipelines.Decode(source, doc)
	fields, ok := v.(map[string]any)
	if err != nil || !ok || fields["tasks"] != nil || fields["entries"] != nil {
		return false // pipelines.Parse says what is wrong, if anything is
	}
	j, err := job.One(queue.Message{ID: "run", Body: doc})
	return err == nil && (j.Pipeline != "" || j.Inline != nil)
}
