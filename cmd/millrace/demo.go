package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/gear"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

const (
	demoFolder  = ".millrace-demo"
	demoMark    = "made-by-millrace-demo" // a file in folders that may be removed
	demoTimeout = 5 * time.Minute         // a big model of one's own takes its time
)

func newDemoCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run three messages end to end, on this machine, and show what became of them",
		Long: `Starts a worker on a queue and a store of its own, and a receiver of webhooks, sends
three messages (a model to make ready for the web, a pipeline whose optional task fails,
and garbage), waits for their signed callbacks and shows what became of them. It
checks what it shows: exit code 1 means that something did not come out right.`,
		Args: args(cobra.NoArgs),
	}
	var input, data string
	cmd.Flags().StringVar(&input, "input", "", "a model of your own instead of the gear: STL, PLY, OBJ or GLB")
	cmd.Flags().StringVar(&data, "data", demoFolder, "folder for all of it, made anew on each run")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		soft, hard, stop := signals(c.Context())
		defer stop()
		err := runDemo(soft, hard, newScreen(c.OutOrStdout()), data, input)
		if stoppedBySignal(soft) {
			return &codeError{exitStopped, errSaid}
		}
		return err
	}
	return cmd
}

// A demo is one run of it.
type demo struct {
	screen   *screen
	cfg      workConfig
	desk     *localDesk
	receiver *receiver
	acts     []*act
	input    string // the model's copy
}

// runDemo shows all of it on s. The error says what did not come out right.
func runDemo(ctx, hard context.Context, s *screen, data, input string) error {
	d, err := prepareDemo(ctx, s, data, input)
	if err != nil {
		return err
	}
	defer d.desk.close()
	defer d.receiver.close()
	if err := d.send(ctx); err != nil {
		return err
	}
	if err := d.work(ctx, hard); err != nil {
		return err
	}
	if err := d.look(ctx); err != nil {
		return err
	}
	problems := d.check()
	d.show()
	if len(problems) == 0 {
		d.next()
		return nil
	}
	return fmt.Errorf("the demo did not come out as it should: %w (the worker's log is %s)", errors.Join(problems...), d.logFile())
}

// prepareDemo makes the folder, the model, the receiver and the messages.
func prepareDemo(ctx context.Context, s *screen, data, input string) (*demo, error) {
	source, err := openModel(input) // first: it may lie in the folder that is made anew
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if data, err = freshFolder(data); err != nil {
		return nil, err
	}
	model, err := copyModel(filepath.Join(data, "input"), filepath.Base(cmp.Or(input, "gear.stl")), source)
	if err != nil {
		return nil, err
	}
	secret := callback.NewSecret()
	d := &demo{screen: s, acts: acts(model, input != ""), input: model}
	if err := defaults(&d.cfg); err != nil {
		return nil, err
	}
	d.cfg.Data, d.cfg.ReadPaths, d.cfg.Secrets = data, []string{filepath.Dir(model)}, []string{secret}
	if err := errors.Join(d.cfg.placeConfig.complete(func(flag string) string { return "--" + flag })...); err != nil {
		return nil, err
	}
	if d.desk, err = makeDesk(ctx, &d.cfg.placeConfig); err != nil {
		return nil, err
	}
	if d.receiver, err = newReceiver(secret); err != nil {
		return nil, errors.Join(err, d.desk.close())
	}
	d.cfg.CallbackURL, d.cfg.AllowHosts = d.receiver.url(), []string{d.receiver.host()}
	if err := errors.Join(check(&d.cfg, settings(&d.cfg))...); err != nil {
		d.receiver.close()
		return nil, errors.Join(err, d.desk.close())
	}
	return d, nil
}

// defaults fills in a config struct as if there were no flags and no environment.
func defaults(cfg any) error {
	var errs []error
	for _, s := range settings(cfg) {
		errs = append(errs, set(s.value, s.Default))
	}
	return errors.Join(errs...)
}

// freshFolder makes an empty folder. One that stands is removed if an earlier demo made it, else refused.
func freshFolder(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look at the demo's folder: %w", err)
	}
	marked := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == demoMark })
	if len(entries) > 0 && !marked {
		return "", fmt.Errorf("%s is not empty and no earlier demo's: name another folder with --data", dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("remove the last demo: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the demo's folder: %w", err)
	}
	return dir, os.WriteFile(filepath.Join(dir, demoMark), nil, 0o600)
}

// openModel opens the file input, or makes a gear when there is none.
func openModel(input string) (io.ReadCloser, error) {
	if input == "" {
		var model bytes.Buffer
		_, err := gear.STL(&model, gear.Options{})
		return io.NopCloser(&model), err
	}
	f, err := os.Open(input)
	if err != nil {
		return nil, fmt.Errorf("open the model: %w", err)
	}
	return f, nil
}

// copyModel puts the model into dir, the one place outside its own folder that a job may read, and returns its path.
func copyModel(dir, name string, model io.Reader) (path string, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the demo's folder: %w", err)
	}
	path = filepath.Join(dir, name)
	out, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("copy the model: %w", err)
	}
	_, err = io.Copy(out, model)
	if err := errors.Join(err, out.Close()); err != nil {
		return "", fmt.Errorf("copy the model: %w", err)
	}
	return path, nil
}

// send puts the messages into the queue.
func (d *demo) send(ctx context.Context) error {
	d.screen.printf("%s\n%s\n\n", d.screen.paint(bold, "Millrace demo: three messages, one worker, nothing installed"),
		d.screen.paint(faint, d.cfg.Data))
	for _, a := range d.acts {
		id, err := d.desk.queue.Send(ctx, queue.Draft{Body: a.body})
		if err != nil {
			return err
		}
		a.id = id
		d.screen.printf("sent      %-7s %s\n", a.name, d.screen.paint(faint, id))
	}
	return nil
}

func (d *demo) logFile() string { return filepath.Join(d.cfg.Data, "worker.log") }

var errCurtain = errors.New("all callbacks came")

// work runs a worker until every message's callback came. It is the worker of `millrace work`, in this process; its
// jobs run in child processes as ever.
func (d *demo) work(ctx, hard context.Context) (err error) {
	logFile, err := os.Create(d.logFile())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	log := slog.New(slog.NewTextHandler(logFile, nil))
	wctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error, 1)
	go func() { ended <- work(wctx, hard, d.cfg, log) }()
	timeout := time.NewTimer(demoTimeout)
	defer timeout.Stop()
	for seen := 0; seen < len(d.acts); {
		select {
		case got := <-d.receiver.news:
			seen++
			d.screen.printf("callback  %-7s %s\n", d.nameOf(got.job), got.verdict(d.screen))
		case err := <-ended:
			return fmt.Errorf("the worker ended early (its log is %s): %w", d.logFile(), cmp.Or(err, errEarly))
		case <-timeout.C:
			stop(nil)
			return errors.Join(fmt.Errorf("%d of %d callbacks came within %s (the worker's log is %s)",
				seen, len(d.acts), demoTimeout, d.logFile()), <-ended)
		}
	}
	stop(errCurtain)
	return <-ended
}

var errEarly = errors.New("it was stopped")

// nameOf is the act of a job.
func (d *demo) nameOf(id string) string {
	for _, a := range d.acts {
		if a.id == id {
			return a.name
		}
	}
	return id
}

// look reads what the worker left: records, and the dead-letter queue.
func (d *demo) look(ctx context.Context) error {
	dead, err := d.desk.queue.Dead(ctx, len(d.acts))
	if err != nil {
		return err
	}
	for _, a := range d.acts {
		if a.record, err = d.desk.Records.Load(ctx, a.id); err != nil {
			return err
		}
		if i := slices.IndexFunc(dead, func(b queue.Buried) bool { return b.ID == a.id }); i >= 0 {
			a.buried = &dead[i]
		}
		a.callback = d.receiver.of(a.id)
	}
	return nil
}

// stored is where an artifact lies on this disk.
func (d *demo) stored(a record.Artifact) string {
	return filepath.Join(d.cfg.storeDir(), filepath.FromSlash(a.Key))
}
