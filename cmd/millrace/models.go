package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/onnx"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// modelsCmdConfig is what `millrace models` can be told.
type modelsCmdConfig struct {
	modelsConfig
	cloudConfig
}

func (c *modelsCmdConfig) complete(from func(string) string) []error {
	return append(c.checkEndpoints(from), c.modelsConfig.complete(&c.cloudConfig, from)...)
}

// modelsAddConfig is what `millrace models add` can be told besides.
type modelsAddConfig struct {
	modelsCmdConfig
	toolsConfig
}

func (c *modelsAddConfig) complete(from func(string) string) []error {
	return append(c.modelsCmdConfig.complete(from), c.toolsConfig.complete(from)...)
}

func newModelsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Show and add the models that ImageInfer runs",
		Long: `Shows the models that the module ImageInfer runs, and adds weights. Some are described
here and need their weights alone; of any other ONNX classifier a description goes
with it, NAME.yaml, which docs/models.md explains.`,
	}
	cmd.AddCommand(newModelsListCmd(), newModelsAddCmd())
	return group(cmd)
}

func newModelsListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the models, and whose weights are missing",
		Args:  args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "as JSON")
	var cfg modelsCmdConfig
	load := bind(cmd, &cfg)
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if err := load(); err != nil {
			return err
		}
		place, err := cfg.open(c.Context(), &cfg.cloudConfig)
		if err != nil {
			return err
		}
		views, err := viewModels(c.Context(), place)
		if err != nil {
			return fmt.Errorf("list models in %s: %w", cfg.Models, err)
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), views)
		}
		listModels(newScreen(c.OutOrStdout()), views)
		return nil
	}
	return cmd
}

// A modelView is the JSON form of a model.
type modelView struct {
	Name    string `json:"name"`
	Summary string `json:"summary,omitzero"`
	Bytes   int64  `json:"bytes"` // of its weights; 0 where they are missing
	SHA256  string `json:"sha256,omitzero"`
	Wrong   string `json:"wrong,omitzero"` // why it can't be run
}

func viewModels(ctx context.Context, place modelPlace) ([]modelView, error) {
	sizes, err := place.files(ctx)
	if err != nil {
		return nil, err
	}
	var files []string
	for file := range sizes {
		files = append(files, file)
	}
	views := []modelView{}
	for _, name := range onnx.Names(files) {
		v := modelView{Name: name, Bytes: sizes[name+onnx.WeightsExt]}
		d, err := onnx.Describe(ctx, place.open, name)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			v.Wrong = err.Error()
		case v.Bytes == 0:
			v.Wrong = "weights missing"
		}
		if d != nil {
			v.Summary, v.SHA256 = d.Summary, d.SHA256
		}
		views = append(views, v)
	}
	return views, nil
}

func listModels(s *screen, views []modelView) {
	widest := 0
	for _, v := range views {
		widest = max(widest, len(v.Name))
	}
	for _, v := range views {
		label := s.paint(cyan, v.Name) + strings.Repeat(" ", widest-len(v.Name))
		if v.Wrong != "" {
			s.printf("%s  %s  %s\n", label, plain(v.Wrong), s.paint(faint, plain(v.Summary)))
			continue
		}
		s.printf("%s  %.1f MiB  %s\n", label, float64(v.Bytes)/(1<<20), s.paint(faint, plain(v.Summary)))
	}
}

func newModelsAddCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "add FILE",
		Short:   "Check a model's weights, and put them where workers find them",
		Example: "  millrace models add resnet50.onnx\n  millrace models add export.onnx --name parts --description parts.yaml\n  millrace models add resnet50.onnx --models s3://acme/models",
		Args:    args(cobra.ExactArgs(1)),
	}
	name := cmd.Flags().String("name", "", "what tasks call it (the name of the file)")
	described := cmd.Flags().String("description", "", "its description (the file's name with .yaml; else the one that is shipped)")
	var cfg modelsAddConfig
	load := bind(cmd, &cfg)
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		called := cmp.Or(*name, strings.TrimSuffix(filepath.Base(a[0]), onnx.WeightsExt))
		if !onnx.CheckName(called) {
			return usage("%q can't be a model's name: letters, digits, dots, dashes and underscores can; name it with --name", called)
		}
		text, err := descriptionFor(a[0], called, *described)
		if err != nil {
			return err
		}
		m, err := checkModel(a[0], called, text)
		if err != nil {
			return fmt.Errorf("add %s: %w", a[0], err)
		}
		tried, err := tryModel(c.Context(), cfg.Tools, m)
		if err != nil {
			return fmt.Errorf("add %s: %w", a[0], err)
		}
		place, err := cfg.open(c.Context(), &cfg.cloudConfig)
		if err != nil {
			return err
		}
		if err := putModel(c.Context(), place, m, text); err != nil {
			return fmt.Errorf("add %s to %s: %w", called, cfg.Models, err)
		}
		s := newScreen(c.OutOrStdout())
		s.printf("added %s to %s: %.1f MiB, %d operators, SHA-256 %s\n", called, cfg.Models, float64(len(m.Weights))/(1<<20), m.Graph.Nodes, m.SHA256)
		s.printf("%s\n", tried)
		return nil
	}
	return cmd
}

// descriptionFor returns the text of the description that goes with a file of weights.
func descriptionFor(file, name, by string) ([]byte, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("add %s: %w", file, plainPath(err))
	}
	beside := strings.TrimSuffix(file, onnx.WeightsExt) + onnx.DescriptionExt
	text, err := readBounded(cmp.Or(by, beside), onnx.MaxDescription)
	if by != "" || !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	text, ok := onnx.ShippedDescription(name)
	if !ok {
		return nil, fmt.Errorf("model %q needs a description: write %s (docs/models.md says how), or give it one of the names that are described here: %s",
			name, beside, strings.Join(onnx.Shipped(), ", "))
	}
	return text, nil
}

// checkModel reads weights and holds them to their description.
func checkModel(file, name string, text []byte) (*onnx.Model, error) {
	d, err := onnx.ParseDescription(text)
	if err != nil {
		return nil, fmt.Errorf("its description: %w", err)
	}
	weights, err := readBounded(file, onnx.MaxWeights)
	if err != nil {
		return nil, err
	}
	return onnx.Check(name, d, weights)
}

// tryModel runs a model, where ONNX Runtime is, and returns a sentence on that.
func tryModel(ctx context.Context, folder string, m *onnx.Model) (string, error) {
	r := onnx.Runtime{Tools: newToolSet(folder, nil), Exec: &proc.Local{}, Env: programEnv(os.Environ())}
	a, err := r.Try(ctx, m)
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		return "not tried, because here " + lacks.Error(), nil
	}
	if err != nil {
		return "", err
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("tried on the CPU: %d classes, loaded in %.0f ms, run in %.1f ms", len(a.Values), ms(a.Load), ms(a.Took[1])), nil
}

// putModel puts the weights first: until their sum stands in the description, a task that comes between tries again.
func putModel(ctx context.Context, place modelPlace, m *onnx.Model, text []byte) error {
	if m.Description.SHA256 == "" {
		text = slices.Concat(bytes.TrimRight(text, "\n"), []byte("\nsha256: "+m.SHA256+"\n"))
	}
	if err := place.put(ctx, m.Name+onnx.WeightsExt, bytes.NewReader(m.Weights)); err != nil {
		return err
	}
	return place.put(ctx, m.Name+onnx.DescriptionExt, bytes.NewReader(text))
}

// readBounded returns a regular file of at most so many bytes.
func readBounded(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case info.Size() > most:
		return nil, fmt.Errorf("%s has %d MiB, and %d are the most that are read", name, info.Size()>>20, most>>20)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
