package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/queue"
)

func newQueueCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Look into queues, send raw messages, empty a queue",
	}
	cmd.AddCommand(newDepthCmd(), newPeekCmd(), newQueueSendCmd(), newPurgeCmd())
	return group(cmd)
}

// A depthRow is how much there is to do in one queue. Its JSON form is an element of `millrace queue depth --json`.
type depthRow struct {
	Queue    string `json:"queue"`
	Visible  int    `json:"visible"`
	InFlight int    `json:"inFlight"`
	Delayed  int    `json:"delayed"`
	Dead     int    `json:"dead"` // -1 where it is not known
}

func newDepthCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "depth",
		Short: "Count what waits, runs, is delayed and was given up, as the queues count it",
		Args:  args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	return onBrokers(cmd, func(c *cobra.Command, b *brokers, _ []string) error {
		rows, cells := []depthRow{}, [][]string{}
		for _, q := range b.all {
			d, err := q.Depth(c.Context())
			if err != nil {
				return err
			}
			rows = append(rows, depthRow{q.Name(), d.Visible, d.InFlight, d.Delayed, d.Dead})
			dead := strconv.Itoa(d.Dead)
			if d.Dead < 0 {
				dead = "unknown"
			}
			cells = append(cells, []string{q.Name(), strconv.Itoa(d.Visible), strconv.Itoa(d.InFlight), strconv.Itoa(d.Delayed), dead})
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), rows)
		}
		return table(newScreen(c.OutOrStdout()), []string{"QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED", "DEAD"}, cells)
	})
}

// A waitingRow is a message that waits. Its JSON form is an element of `millrace queue peek --json`.
type waitingRow struct {
	ID         string            `json:"id"`
	Queue      string            `json:"queue"`
	State      queue.State       `json:"state"`
	Sent       time.Time         `json:"sentAt,omitzero"`
	Deliveries int               `json:"deliveries"`
	Due        string            `json:"dueIn,omitzero"`
	Group      string            `json:"group,omitzero"`
	Attributes map[string]string `json:"attributes,omitzero"`
	Body       string            `json:"body"`
}

func newPeekCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peek",
		Short: "Show messages that wait, roughly the oldest first",
		Long: `Shows messages that wait, roughly the oldest first. SQS shows nothing that it does
not deliver: there, only visible messages are seen, and a look counts as a delivery.`,
		Args: args(cobra.NoArgs),
	}
	limit := cmd.Flags().Int("limit", 10, "how many of each queue, at most 1000")
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list, bodies and attributes whole")
	return onBrokers(cmd, func(c *cobra.Command, b *brokers, _ []string) error {
		if *limit < 1 || *limit > 1000 {
			return usage("--limit: must be 1 to 1000, got %d", *limit)
		}
		rows, cells := []waitingRow{}, [][]string{}
		for i, q := range b.all {
			if b.cfg.queues[i].kind == kindSQS {
				fmt.Fprintf(c.ErrOrStderr(), "%s: SQS counts this look as a delivery of each message\n", q.Name())
			}
			ws, err := q.Peek(c.Context(), *limit)
			if err != nil {
				return err
			}
			for _, w := range ws {
				r := newWaitingRow(q, w)
				rows = append(rows, r)
				cells = append(cells, b.columns(q, r.ID, string(r.State), shortClock(r.Sent), strconv.Itoa(r.Deliveries), r.Due, shorten(r.Group, 16), shorten(plain(r.Body), 60)))
			}
		}
		switch {
		case *asJSON:
			return printJSON(c.OutOrStdout(), rows)
		case len(rows) == 0:
			fmt.Fprintln(c.ErrOrStderr(), "nothing is seen waiting")
			return nil
		}
		return table(newScreen(c.OutOrStdout()), b.columns(nil, "ID", "STATE", "SENT", "DELIVERIES", "DUE", "GROUP", "BODY"), cells)
	})
}

func newWaitingRow(q queue.Broker, w queue.Waiting) waitingRow {
	r := waitingRow{
		ID: w.ID, Queue: q.Name(), State: w.State, Sent: w.Enqueued, Deliveries: w.Delivery, Group: w.Group,
		Attributes: w.Attributes, Body: string(w.Body),
	}
	if w.Hidden > 0 {
		r.Due = "in " + w.Hidden.Round(time.Second).String()
	}
	return r
}

// maxBody is the longest message, in bytes.
const maxBody = 1 << 20

func newQueueSendCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send FILE|-",
		Short: "Send a file (- is stdin) to the queue as it is, unchecked; `jobs run` sends jobs",
		Args:  args(cobra.ExactArgs(1)),
	}
	var draft queue.Draft
	attributes := cmd.Flags().StringArray("attribute", nil, "key=value, at most 10 of them")
	cmd.Flags().StringVar(&draft.Group, "group", "", "whose message it is: FIFO queues keep the order within a group, others serve groups in turn")
	cmd.Flags().StringVar(&draft.Key, "key", "", "a FIFO queue takes one message of a key in five minutes")
	cmd.Flags().DurationVar(&draft.Delay, "delay", 0, "hidden for so long")
	return onBrokers(cmd, func(c *cobra.Command, b *brokers, a []string) error {
		q, err := b.only("sending")
		if err != nil {
			return err
		}
		if draft.Attributes, err = parseAttributes(*attributes); err != nil {
			return err
		}
		if draft.Body, err = readBody(c.InOrStdin(), a[0]); err != nil {
			return err
		}
		id, err := q.Send(c.Context(), draft)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), id)
		return err
	})
}

func parseAttributes(texts []string) (map[string]string, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	all := map[string]string{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" || !utf8.ValidString(text) {
			return nil, usage("--attribute: %q is not key=value", text)
		}
		all[key] = value
	}
	return all, nil
}

func readBody(stdin io.Reader, path string) ([]byte, error) {
	body, err := readUpTo(maxBody+1, stdin, path)
	switch {
	case err != nil:
		return nil, err
	case len(body) == 0:
		return nil, errors.New("there is nothing to send: the message is empty")
	case len(body) > maxBody:
		return nil, fmt.Errorf("the message has more than %d bytes: put it into a bucket and send where it lies", maxBody)
	}
	return body, nil
}

// readUpTo reads a file, - is stdin, and no more of it than most bytes.
func readUpTo(most int64, stdin io.Reader, path string) ([]byte, error) {
	from := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%s can't be read: %w", path, plainPath(err))
		}
		defer f.Close()
		from = f
	}
	body, err := io.ReadAll(io.LimitReader(from, most))
	if err != nil {
		return nil, fmt.Errorf("%s can't be read: %w", path, plainPath(err))
	}
	return body, nil
}

func newPurgeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "Delete all that waits in the queue; with SQS, what is in flight too",
		Args:  args(cobra.NoArgs),
	}
	yes := cmd.Flags().Bool("yes", false, "I mean it")
	return onBrokers(cmd, func(c *cobra.Command, b *brokers, _ []string) error {
		q, err := b.only("a purge")
		if err != nil {
			return err
		}
		d, err := q.Depth(c.Context())
		if err != nil {
			return err
		}
		if !*yes {
			return usage("this deletes what waits in %s, about %s, for good; say --yes if that is meant", q.Name(), count(d.Visible+d.Delayed, "message"))
		}
		if err := q.Purge(c.Context()); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.ErrOrStderr(), "%s is being emptied: about %s\n", q.Name(), count(d.Visible+d.Delayed, "message"))
		return err
	})
}
