package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/route"
)

const routeTestLong = `Says which route takes the uploads that an event tells of, why, why not the others,
and shows the job that is made. EVENT is a file with a message as a queue has it, -
is stdin: an event of S3, also in an SNS notification or from EventBridge, of IBM
COS, a CloudEvent. So may be the list that ` + "`millrace queue peek --json`" + ` prints.
Nothing is sent. With --json the answer is one list, an object for each upload:
upload, routes (name, whether it fires, why), job, why.

Exit codes: 0 each upload has a route, or the message asks for nothing · 1 one has
none, or the event or the table is unreadable or invalid · 2 the command line is
wrong.`

func newRouteTestCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test EVENT",
		Short:   "Say which route takes an event, and why not the others",
		Long:    routeTestLong,
		Example: "  millrace route test event.json --routes routes.yaml\n  millrace queue peek --json | millrace route test -",
		Args:    args(cobra.ExactArgs(1)),
	}
	var cfg routeConfig
	load := bind(cmd, &cfg)
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		rules, err := cfg.rules()
		if err != nil {
			return err
		}
		m, err := readEvent(c.InOrStdin(), a[0])
		if err != nil {
			return err
		}
		views, err := routeUploads(rules, m.Uploads)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), views)
		} else {
			showRouted(newScreen(c.OutOrStdout()), views, m)
		}
		if err == nil && slices.ContainsFunc(views, func(v routedView) bool { return v.Job == nil }) {
			return &codeError{exitFailed, errSaid}
		}
		return err
	}
	return cmd
}

// maxPeeked is how much of a list of messages is read, in bytes.
const maxPeeked = 64 << 20

// readEvent reads what a message tells of, or all that `millrace queue peek --json` shows.
func readEvent(stdin io.Reader, file string) (*job.Message, error) {
	text, err := readUpTo(maxPeeked, stdin, file)
	if err != nil {
		return nil, err
	}
	all := &job.Message{}
	var nothing []string
	name := file
	if file == "-" {
		name = "stdin"
	}
	for _, in := range messagesOf(name, text) {
		m, err := job.Decode(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.ID, err)
		}
		all.Uploads, all.Jobs = append(all.Uploads, m.Uploads...), append(all.Jobs, m.Jobs...)
		if m.Nothing != "" {
			nothing = append(nothing, m.Nothing)
		}
	}
	all.Nothing = strings.Join(nothing, "\n")
	if len(all.Uploads) == 0 && all.Nothing == "" {
		return nil, fmt.Errorf("%s: the message tells of no upload: it brings %s, and no route is asked", name, count(len(all.Jobs), "job"))
	}
	return all, nil
}

// messagesOf is the messages of a list that queue peek has printed, else text as the only one, with that name.
func messagesOf(name string, text []byte) []queue.Message {
	var rows []waitingRow
	if json.Unmarshal(text, &rows) != nil || len(rows) == 0 || slices.ContainsFunc(rows, func(r waitingRow) bool { return r.ID == "" || r.Queue == "" }) {
		return []queue.Message{{ID: name, Body: text}}
	}
	var all []queue.Message
	for _, r := range rows {
		all = append(all, queue.Message{ID: "message " + r.ID, Body: []byte(r.Body), Attributes: r.Attributes})
	}
	return all
}

// A routedView is what becomes of one upload, as JSON.
type routedView struct {
	Upload uploadView      `json:"upload"`
	Routes []route.Verdict `json:"routes"`
	Job    json.RawMessage `json:"job,omitempty"` // the message that asks for it
	Why    string          `json:"why,omitzero"`  // there is none
	job    *job.Job
}

type uploadView struct {
	Source    string     `json:"source"`
	Event     string     `json:"event"`
	Kind      job.Change `json:"kind"`
	Bucket    string     `json:"bucket"`
	Key       string     `json:"key"`
	Size      int64      `json:"size"` // -1 where the source does not say
	Version   string     `json:"version,omitzero"`
	ETag      string     `json:"etag,omitzero"`
	Sequencer string     `json:"sequencer,omitzero"`
	Region    string     `json:"region,omitzero"`
	Time      time.Time  `json:"time,omitzero"`
}

func routeUploads(rules *route.Rules, uploads []job.Upload) ([]routedView, error) {
	views := []routedView{}
	for _, u := range uploads {
		v := routedView{Routes: rules.Explain(u), Upload: uploadView{
			u.Source, u.Event, u.Kind, u.Bucket, u.Key, u.Size, u.Version, u.ETag, u.Sequencer, u.Region, u.Time,
		}}
		v.job, v.Why = rules.Route(u)
		if v.job != nil {
			body, err := job.Encode(v.job)
			if err != nil {
				return nil, err
			}
			v.Job = body
		}
		views = append(views, v)
	}
	return views, nil
}

func showRouted(s *screen, views []routedView, m *job.Message) {
	for why := range strings.Lines(m.Nothing) {
		s.printf("%s\n", plain(strings.TrimSuffix(why, "\n")))
	}
	if n := len(m.Jobs); n > 0 {
		s.printf("no route is asked for %s\n", count(n, "job"))
	}
	for i, v := range views {
		if i > 0 {
			s.printf("\n")
		}
		s.printf("%s\n", s.paint(bold, plain(fmt.Sprintf("%s of %s/%s (%s)", v.Upload.Event, v.Upload.Bucket, v.Upload.Key, v.Upload.Kind))))
		for _, r := range v.Routes {
			sign, color := "  -", ""
			if r.Fires {
				sign, color = "  *", green
			}
			s.printf("%s %s: %s\n", sign, s.paint(color, plain(r.Rule)), plain(r.Why))
		}
		if v.job == nil {
			s.printf("  no job\n")
			continue
		}
		showRoutedJob(s, v.job)
	}
}

func showRoutedJob(s *screen, j *job.Job) {
	s.printf("  job %s: pipeline %s\n", plain(j.ID), plain(strings.TrimSpace(j.Pipeline+" "+j.Entry)))
	for _, key := range j.StateOrder.Of(j.State) {
		s.printf("    %s = %s\n", plain(key), plain(oneLine(j.State[key])))
	}
	for _, label := range slices.Sorted(maps.Keys(j.Requires)) {
		s.printf("    requires %s=%s\n", plain(label), plain(j.Requires[label]))
	}
}
