package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/worker/queue"
)

// holdLimit is how long SQS lets a message be held, however often its lease is extended.
const holdLimit = 12 * time.Hour

// A diagnosis is one thing that was looked at, and of what. Its JSON form is an element of `millrace doctor --json`.
type diagnosis struct {
	Of     string      `json:"of"` // the queue, the store, this machine, or an object of the cluster
	Check  string      `json:"check"`
	Level  queue.Level `json:"level"`
	Text   string      `json:"text"`
	Remedy string      `json:"remedy,omitzero"`
}

func newDoctorCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether a worker with these settings can work, and say what to mend",
		Long: `Looks at the queues, the store and this machine with the settings that ` + "`work`" + ` would
have, and says what is wrong and how to mend it. It takes no message and runs no job.

With --namespace or --context it looks at what is deployed in a cluster of Kubernetes
instead, as whoever the kubeconfig names: ScaledObjects and their sums, pods and their
settings, GPU nodes, permissions, the scaler. In a pod that has a token
(deploy/components/doctor) it looks at both. It only reads; what it may not see, it says.

Exit codes: 0 a worker can work, there may be warnings · 1 it can't · 2 the command
line or a setting is wrong.`,
		Example: "  millrace doctor\n  millrace doctor --queue sqs:jobs --store s3://outputs/jobs\n  millrace doctor --namespace millrace",
		Args:    args(cobra.NoArgs),
	}
	var cfg workConfig
	load := bind(cmd, &cfg)
	var cluster clusterPlace
	cmd.Flags().StringVar(&cluster.namespace, "namespace", "", "namespace of a cluster to look at; empty is the context's, or this pod's own")
	cmd.Flags().StringVar(&cluster.context, "context", "", "context of the kubeconfig; empty is its current one")
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if err := load(); err != nil {
			return err
		}
		var found []diagnosis
		if !cluster.alone() {
			found = cfg.examine(c.Context())
		}
		if cluster.alone() || inPod() {
			more, err := cluster.examine(c.Context())
			if err != nil {
				return err
			}
			found = append(found, more...)
		}
		if *asJSON {
			if err := printJSON(c.OutOrStdout(), found); err != nil {
				return err
			}
		} else {
			showDiagnoses(newScreen(c.OutOrStdout()), found)
		}
		bad := 0
		for _, d := range found {
			if d.Level == queue.Bad {
				bad++
			}
		}
		if bad > 0 {
			return fmt.Errorf("a worker can't work with this: %s", count(bad, "error"))
		}
		return nil
	}
	return cmd
}

func showDiagnoses(s *screen, found []diagnosis) {
	marks := map[queue.Level]string{queue.Good: green, queue.Warning: yellow, queue.Bad: red}
	of := ""
	for _, d := range found {
		if d.Of != of {
			of = d.Of
			s.printf("%s\n", s.paint(bold, plain(of)))
		}
		s.printf("  %s %s: %s\n", s.paint(marks[d.Level], fmt.Sprintf("%-7s", d.Level)), plain(d.Check), plain(d.Text))
		if d.Remedy != "" {
			s.printf("          %s\n", plain(d.Remedy))
		}
	}
}

// examine looks at all that a worker with this config needs.
func (c *workConfig) examine(ctx context.Context) []diagnosis {
	var all []diagnosis
	for _, ref := range c.queues {
		all = append(all, diagnose(ref.text, c.examineQueue(ctx, ref))...)
	}
	for class, ref := range c.classes {
		all = append(all, diagnose(fmt.Sprintf("%s (class %s)", ref.text, class), c.examineQueue(ctx, ref))...)
	}
	if isBucket(c.Pipelines) {
		all = append(all, diagnose(c.Pipelines+" (pipelines)", c.examineCatalogue(ctx))...)
	}
	all = append(all, diagnose("uploads", c.examineRoutes(ctx))...)
	all = append(all, diagnose(c.store.text+" (store)", c.examineStore(ctx))...)
	return append(all, diagnose("this machine", c.examineMachine())...)
}

func diagnose(of string, found []queue.Finding) []diagnosis {
	var all []diagnosis
	for _, f := range found {
		all = append(all, diagnosis{of, f.Check, f.Level, f.Text, f.Remedy})
	}
	return all
}

func (c *workConfig) examineQueue(ctx context.Context, ref queueRef) []queue.Finding {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	q, err := c.openBroker(ctx, ref, c.Visibility)
	if err != nil {
		return []queue.Finding{unopened("queue", err)}
	}
	defer q.Close() // nothing was written that could be lost
	found := q.Examine(ctx)
	if ref.kind == kindSQS && c.Deadline > holdLimit {
		found = append(found, queue.Finding{
			Check: "deadline", Level: queue.Warning, Text: tooLong(c.Deadline), Remedy: "Set --deadline (MILLRACE_DEADLINE) to less than 12h.",
		})
	}
	return found
}

// tooLong says what comes of a deadline beyond holdLimit.
func tooLong(deadline time.Duration) string {
	return fmt.Sprintf("jobs may run for %s, but SQS lets no message be held for longer than 12h: a job is stopped before that", deadline)
}

// unopened is the finding that something can't even be opened.
func unopened(check string, err error) queue.Finding {
	remedy := "Mend that, then look again."
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		remedy = map[cloud.Why]string{
			cloud.Missing:     "Make it, or correct its name, account or region.",
			cloud.Denied:      "Give credentials that are right, and grant them the permission.",
			cloud.Locked:      "Enable the key in KMS, or encrypt with another one.",
			cloud.Skewed:      "Set this machine's clock by NTP.",
			cloud.Unreachable: "Check the endpoint, DNS and the network's rules.",
			cloud.Throttled:   "Look again in a minute.",
			cloud.Refused:     "Correct the setting that the text names.",
			cloud.Unclear:     "Look the answer up in the service's documentation.",
		}[e.Why]
	}
	return queue.Finding{Check: check, Level: queue.Bad, Text: strings.ReplaceAll(err.Error(), "\n", "; "), Remedy: remedy}
}

// examineMachine looks at what is neither a queue nor the store.
func (c *workConfig) examineMachine() []queue.Finding {
	found := []queue.Finding{c.examineFolder()}
	secret := queue.Finding{Check: "callback secret", Level: queue.Good, Text: count(len(c.Secrets), "signing secret") + " given"}
	if len(c.Secrets) == 0 {
		secret.Level, secret.Text = queue.Warning, "none is given, so no completion callback can be sent"
		secret.Remedy = "Set MILLRACE_CALLBACK_SECRET if messages ask for callbacks."
	}
	found = append(found, secret)
	confined := queue.Finding{Check: "confinement", Level: queue.Good, Text: "the kernel has Landlock"}
	switch {
	case !c.Confine || c.Isolation == "none":
		confined.Level, confined.Text = queue.Warning, "jobs are not confined, as the settings say"
		confined.Remedy = "Leave --confine and --isolation at their defaults, unless every pipeline is trusted."
	case !hasLandlock():
		confined.Level, confined.Text = queue.Warning, "the kernel has no Landlock, so jobs may read and write what this user may"
		confined.Remedy = "Run a kernel from 5.13 on with landlock in its lsm= list."
	}
	return append(append(found, confined), c.lent()...)
}

// hasLandlock says whether the kernel lists Landlock among what it enforces. One that shows no list is taken to have it.
func hasLandlock() bool {
	b, err := os.ReadFile("/sys/kernel/security/lsm")
	return err != nil || slices.Contains(strings.Split(strings.TrimSpace(string(b)), ","), "landlock")
}

// examineFolder looks whether workspaces can be made in the data folder.
func (c *workConfig) examineFolder() queue.Finding {
	f := queue.Finding{Check: "data folder", Level: queue.Good, Text: c.Data + " can be written to"}
	err := os.MkdirAll(c.runDir(), 0o700)
	if err == nil {
		err = disk.New(c.runDir(), int64(c.MinFree)).Ready()
	}
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(c.runDir(), ".doctor-"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		f.Level, f.Text, f.Remedy = queue.Bad, err.Error(), "Name a folder on a local disk with room by --data (MILLRACE_DATA)."
	}
	return f
}

// examineStore looks whether the store keeps what records need of it.
func (c *workConfig) examineStore(ctx context.Context) []queue.Finding {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	store, err := c.openStore(ctx)
	if err == nil {
		err = blob.Probe(ctx, store)
	}
	if err != nil {
		return []queue.Finding{unopened("store", err)}
	}
	return []queue.Finding{{Check: "store", Level: queue.Good, Text: "objects can be created, read and deleted, and of two that create one, one wins"}}
}

// examineCatalogue looks whether the bucket of pipelines can be read.
func (c *workConfig) examineCatalogue(ctx context.Context) []queue.Finding {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := c.openCatalogue(ctx, c.Pipelines, slog.New(slog.DiscardHandler)); err != nil {
		return []queue.Finding{unopened("pipelines", err)}
	}
	return []queue.Finding{{Check: "pipelines", Level: queue.Good, Text: "the bucket can be read"}}
}
