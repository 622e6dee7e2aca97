package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
)

// A message is one that can be sent: its job decodes and its pipeline parses.
type message struct {
	fields   map[string]any
	order    *nunjucks.Order // of the state in fields
	body     []byte
	job      *job.Job
	source   string // the pipeline's name in problems
	version  string // digest that it must have; empty is any
	document []byte
	parcel   *parcel             // that goes with it; nil: none
	inputs   any                 // of fields, before that; nil: none
	pipeline *pipelines.Pipeline // of document; nil where the job will have another version of it

	elsewhere bool // its pipeline is one of another catalogue
}

// message makes the message that o, a pipeline and values ask for.
func (o *order) message(ctx context.Context, stdin io.Reader, source string, values []string, cat *pipelines.Catalogue) (*message, error) {
	state, order, err := job.ParseState(values)
	if err != nil {
		return nil, usage("%w", err)
	}
	m := &message{fields: map[string]any{"pipeline": source}}
	name, version := splitVersion(source)
	m.document, m.source, err = readSource(stdin, name, cat)
	if m.elsewhere = err != nil && o.remote && isName(name) && !looksLikeFile(name); m.elsewhere {
		m.source, err = name, nil
	}
	if err != nil {
		return nil, err
	}
	if m.version = version; version != "" && !isName(name) {
		return nil, usage("@sha256:… asks for a version of a pipeline of the catalogue, and %s is a file; leave it out", name)
	}
	switch whole := asMessage(m.source, m.document); {
	case isName(name):
	case whole != nil:
		if err := m.take(whole, cat); err != nil {
			return nil, err
		}
	case isForeign(m.document):
		return nil, fmt.Errorf("%s is no pipeline, but a message of another kind; send it as it is, by `millrace queue send` or by POST /v1/jobs of a gateway", m.source)
	default:
		m.fields["pipeline"] = asText(m.document)
	}
	m.overlay(state, order)
	m.set("entry", *o.fields["entry"])
	p, err := m.parse(ctx)
	if err != nil {
		return nil, err
	}
	m.pipeline = p
	o.fill(m, m.called())
	if o.with != "" {
		parcel, err := newParcel(o.with)
		if err != nil {
			return nil, err
		}
		m.bring(parcel)
	}
	if m.body, err = json.Marshal(m.ordered()); err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	m.job, err = job.One(queue.Message{ID: "new", Body: m.body})
	return m, err
}

// parse holds the message against its pipeline, as the job will, and returns that. What it asks for in another version than
// the one at hand can't be checked, and is nil.
func (m *message) parse(ctx context.Context) (*pipelines.Pipeline, error) {
	state, _ := m.fields["state"].(map[string]any)
	if err := render.CheckData(state); err != nil {
		return nil, err
	}
	if m.otherVersion() {
		return nil, nil
	}
	entry, _ := m.fields["entry"].(string)
	p, err := pipelines.ParseGiven(ctx, m.source, m.document, pipelines.Given{State: state, StateOrder: m.order, Entry: entry})
	if err != nil {
		return nil, err
	}
	_, err = p.Bind(state)
	return p, err
}

// called is the pipeline's name.
func (m *message) called() string {
	if m.pipeline == nil {
		return strings.TrimSuffix(m.source, filepath.Ext(m.source))
	}
	return m.pipeline.Name
}

// otherVersion says that the message asks for another document than the one at hand.
func (m *message) otherVersion() bool {
	return m.elsewhere || m.version != "" && m.version != pipelines.Digest(m.document)
}

// asMessage returns the keys of a document that is a message around a pipeline, else nil.
func asMessage(source string, doc []byte) map[string]any {
	v, err := pipelines.Decode(source, doc)
	fields, _ := v.(map[string]any)
	_, around := fields["pipeline"]
	_, tasks := fields["tasks"]
	if err != nil || !around || tasks {
		return nil // pipelines.Parse says what is wrong, if anything is
	}
	return fields
}

// isForeign says whether a document is a message that is neither a pipeline nor around one: an event, a payload of VideoGenie.
func isForeign(doc []byte) bool {
	d, err := job.Decode(queue.Message{ID: "new", Body: doc})
	return err == nil && !slices.ContainsFunc(d.Jobs, func(j *job.Job) bool { return j.Inline != nil })
}

// take makes m the message that its document is. Its pipeline is the document then.
func (m *message) take(fields map[string]any, cat *pipelines.Catalogue) error {
	j, err := job.One(queue.Message{ID: "new", Body: m.document})
	if err != nil {
		return err
	}
	m.fields, m.version = fields, j.Version
	delete(m.fields, "args") // they are in the state now, over which more may be laid
	if len(j.State) > 0 {
		m.fields["state"], m.order = j.State, j.StateOrder
	}
	if j.Inline != nil {
		text := asText(j.Inline) // as it was written: a map would lose its order
		m.document, m.fields["pipeline"] = []byte(text), text
		if m.otherVersion() {
			return fmt.Errorf("%s asks for the version %s, and the pipeline that it brings is sent as %s; correct version, or leave it out",
				m.source, m.version, pipelines.Digest(m.document))
		}
		return nil
	}
	m.document, m.source, _, err = cat.Document(j.Pipeline)
	return err
}

// ordered is the message with the order of its state.
func (m *message) ordered() any {
	return nunjucks.WithOrder(m.fields, nunjucks.Ordering(nil, map[string]*nunjucks.Order{"state": m.order}))
}

// overlay lays state over the message's.
func (m *message) overlay(state map[string]any, order *nunjucks.Order) {
	if len(state) == 0 {
		return
	}
	all, _ := m.fields["state"].(map[string]any)
	if all == nil {
		all = map[string]any{}
	}
	m.order = m.order.Overlay(all, state, order)
	maps.Copy(all, state)
	m.fields["state"] = all
}

// fill puts what o says into the message; its name is the pipeline's where nobody gives one.
func (o *order) fill(m *message, pipeline string) {
	if _, named := m.fields["name"]; !named {
		m.set("name", kebab(pipeline))
	}
	for key, value := range o.fields {
		m.set(key, *value)
	}
	if name, ok := m.fields["name"].(string); ok {
		m.fields["name"] = strings.ReplaceAll(name, "$timestamp", time.Now().UTC().Format("20060102-150405"))
	}
	if o.callback != "" {
		m.fields["callback"] = map[string]any{"url": o.callback}
	}
	if o.maxAttempts != 0 {
		delete(m.fields, "maxAttempts")
		m.fields["max_attempts"] = o.maxAttempts
	}
	if o.debug {
		m.fields["debug"] = true
	}
}

// sendTo puts the message into a queue and returns its job's ID.
func (m *message) sendTo(ctx context.Context, cfg *placeConfig, to queueRef) (id string, err error) {
	if err := m.upload(ctx, cfg); err != nil {
		return "", err
	}
	q, err := cfg.openBroker(ctx, to, 0)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	return m.send(ctx, q)
}

// send puts the message into a queue and returns its job's ID. Its customer is the group, so that queues which serve
// groups in turn do so by customer.
func (m *message) send(ctx context.Context, q queue.Broker) (id string, err error) {
	draft := queue.Draft{Body: m.body, Group: m.job.Customer}
	if own, _ := m.fields["id"].(string); own == "" {
		id, err = q.Send(ctx, draft)
		return job.SafeID(id), err
	}
	draft.Attributes, draft.Key = map[string]string{localqueue.JobID: m.job.ID}, m.job.ID
	_, err = q.Send(ctx, draft)
	return m.job.ID, err
}

func (m *message) set(key, value string) {
	if value != "" {
		m.fields[key] = value
	}
}

// isName says whether source, which readSource has read, is a name of the catalogue.
func isName(source string) bool {
	if source == "-" || strings.HasPrefix(source, "file://") {
		return false
	}
	info, err := os.Stat(source)
	return err != nil || info.IsDir()
}

// asText is a document that a message can't take for a pipeline's name.
func asText(doc []byte) string {
	if text := string(doc); strings.Contains(text, "\n") {
		return text
	}
	return string(doc) + "\n"
}

// kebab writes a name in small letters with dashes: "Hello World" and "hello_world" are hello-world.
func kebab(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), "-")
}

func (m *message) show(w io.Writer, format string) error {
	text, err := show.Text(m.ordered(), format)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, text)
	return err
}

// check shows the message, and what lint finds in its pipeline.
func (m *message) check(stdout, stderr io.Writer, format string) error {
	if err := m.show(stdout, format); err != nil {
		return err
	}
	if m.otherVersion() {
		here := pipelines.Digest(m.document)
		if m.elsewhere {
			here = "none of the pipelines"
		}
		_, err := fmt.Fprintf(stderr, "nothing was sent: --dry-run; the pipeline was not checked: %s is %s here\n", m.source, here)
		return err
	}
	o, err := lintOptions()
	if err != nil {
		return err
	}
	found := lintDocument(m.source, m.document, o)
	if len(found) == 0 {
		_, err := fmt.Fprintln(stderr, "nothing was sent: --dry-run")
		return err
	}
	return errors.Join(printFindings(newScreen(stderr), found), concludeLint(stderr, found, 1, pipelines.SeverityError))
}
