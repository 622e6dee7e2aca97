package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/worker/queue"
)

// newGPUs returns a pool of the GPUs that this process may use, made with c. Nothing is loaded before somebody asks it.
func newGPUs(tools *tool.Set, c gpu.Config) *gpu.Pool {
	c.Encode = func(ctx context.Context, d gpu.Device) error {
		ffmpeg, err := tools.Find(ctx, tool.FFmpeg())
		if err != nil {
			return err
		}
		return gpu.NVENC(tools.Exec, ffmpeg.Path, programEnv(os.Environ()))(ctx, d)
	}
	if only, set := os.LookupEnv("CUDA_VISIBLE_DEVICES"); set {
		c.Visible = strings.FieldsFunc(only, func(r rune) bool { return r == ',' || r == ' ' })
		c.Restricted = true
	}
	return gpu.NewPool(c)
}

func newGPUCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gpu",
		Short: "Show the GPUs of this machine, and what keeps them from being used",
		Long: `Shows what tasks that need a GPU would find here: the driver, and of every GPU its
memory, compute capability, health and whether it encodes video. That is looked at
again before every such task. A machine without a GPU is a good machine too.

Exit codes: 0 done · 1 fewer GPUs can be used than --require says · 2 the command
line is wrong.`,
		Example: "  millrace gpu\n  millrace gpu --require 1\n  millrace gpu --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "as JSON")
	least := cmd.Flags().Int("require", 0, "fail unless so many `GPUs` can be used")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		m, err := passport(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			if err := printJSON(c.OutOrStdout(), m); err != nil {
				return err
			}
		} else {
			showMachine(newScreen(c.OutOrStdout()), m)
		}
		if n := inService(m); n < *least {
			return fmt.Errorf("%s can be used, and %d must be", count(n, "GPU"), *least)
		}
		return nil
	}
	return cmd
}

// passport is what this machine has. Where the driver does not say, Unfit says why.
func passport(ctx context.Context) (gpu.Machine, error) {
	pool := newGPUs(newToolSet(builtTools(), nil), gpu.Config{})
	defer pool.Close()
	m, err := pool.Passport(ctx)
	if err != nil && ctx.Err() != nil {
		return m, err
	}
	if err != nil {
		m = gpu.Machine{LeastDriver: gpu.LeastDriver, Unfit: err.Error(), Devices: []gpu.Report{}}
	}
	return m, nil
}

func inService(m gpu.Machine) int {
	n := 0
	for _, r := range m.Devices {
		if m.Unfit == "" && r.Unfit == "" {
			n++
		}
	}
	return n
}

func showMachine(s *screen, m gpu.Machine) {
	if len(m.Devices) == 0 {
		why := m.Unfit
		if why == "" {
			why = gpu.ErrNoDevice.Error()
		}
		s.printf("no GPU here: %s\n", plain(why))
		return
	}
	found := diagnose("this machine", examineDriver(m))
	for _, r := range m.Devices {
		of := fmt.Sprintf("GPU %d: %s", r.Index, r.Name)
		if r.UUID != "" {
			of += " (" + r.UUID + ")"
		}
		found = append(found, diagnose(of, examineGPU(r))...)
	}
	showDiagnoses(s, found)
}

// examineDriver says what holds of all GPUs.
func examineDriver(m gpu.Machine) []queue.Finding {
	driver := queue.Finding{
		Check: "driver", Level: queue.Good,
		Text: fmt.Sprintf("%s, runs CUDA up to %s; the CUDA libraries of the image need %s or later", m.Driver, m.CUDA, m.LeastDriver),
	}
	if m.Unfit != "" {
		driver.Level, driver.Text = queue.Bad, m.Unfit
	}
	failures := queue.Finding{Check: "failures", Level: queue.Good, Text: "the driver tells of them while a task runs"}
	if m.Unwatched != "" {
		failures.Level, failures.Text = queue.Warning, m.Unwatched+": only the look before each task finds them"
	}
	return []queue.Finding{driver, failures}
}

// examineGPU says what was found on one GPU, the verdict last.
func examineGPU(r gpu.Report) []queue.Finding {
	good := func(check, text string, values ...any) queue.Finding {
		return queue.Finding{Check: check, Level: queue.Good, Text: fmt.Sprintf(text, values...)}
	}
	var found []queue.Finding
	if r.Parent != "" {
		found = append(found, good("MIG instance of", "%s", r.Parent))
	}
	if r.Capability != "" {
		found = append(found,
			good("memory", "%s free of %s, %s", bytesOf(r.Free), bytesOf(r.Memory), count(r.Processes, "program")),
			good("compute capability", "%s", r.Capability),
			good("memory errors", "%d that ECC could not correct", r.Uncorrected),
		)
	}
	if r.Slowdown > 0 {
		found = append(found, good("temperature", "%d °C, slows down from %d °C on", r.Temperature, r.Slowdown))
	}
	switch {
	case r.Encoder:
		found = append(found, good("encoder", "a session was opened"))
	case r.NoEncoder != "":
		found = append(found, good("encoder", "none: %s", r.NoEncoder))
	}
	for _, w := range r.Warnings {
		found = append(found, queue.Finding{Check: "health", Level: queue.Warning, Text: w})
	}
	if r.Unfit != "" {
		return append(found, queue.Finding{Check: "service", Level: queue.Bad, Text: "out of it: " + r.Unfit})
	}
	return append(found, good("service", "tasks get it"))
}
