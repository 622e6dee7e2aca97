package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/onnx"
)

// imageModels is the folder of models in an image.
const imageModels = "/opt/millrace/models"

// modelsConfig says where the models lie that ImageInfer runs.
type modelsConfig struct {
	Models string `flag:"models" default:"" doc:"models that ImageInfer runs: a folder, s3://bucket/prefix or cos://bucket/prefix; empty is /opt/millrace/models where that is, else .millrace/models"`
}

func (c *modelsConfig) complete(cloud *cloudConfig, from func(string) string) []error {
	if isBucket(c.Models) {
		ref, err := parseStore(c.Models)
		if err != nil {
			return []error{fmt.Errorf("%s: %w", from("models"), err)}
		}
		if ref.kind == kindCOS {
			return cloud.checkCOS(from)
		}
		return nil
	}
	if c.Models == "" {
		c.Models = filepath.Join(".millrace", "models")
		if info, err := os.Stat(imageModels); err == nil && info.IsDir() {
			c.Models = imageModels
		}
	}
	abs, err := filepath.Abs(c.Models)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", from("models"), err)}
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		return []error{fmt.Errorf("%s: %s is a file; name the folder that models lie in", from("models"), c.Models)}
	}
	c.Models = abs
	return nil
}

// open returns the place where models lie.
func (c *modelsConfig) open(ctx context.Context, cloud *cloudConfig) (modelPlace, error) {
	if !isBucket(c.Models) {
		return modelFolder(c.Models), nil
	}
	ref, err := parseStore(c.Models)
	if err != nil {
		return nil, err
	}
	store, err := cloud.openBucket(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("open models in %s: %w", c.Models, err)
	}
	return modelBucket{store}, nil
}

// shelf is the place as tasks see it. It is opened when the first one asks.
func (c *modelsConfig) shelf(cloud *cloudConfig) onnx.Shelf {
	place := sync.OnceValues(func() (modelPlace, error) { return c.open(context.Background(), cloud) })
	return func(ctx context.Context, file string) (io.ReadCloser, error) {
		p, err := place()
		if err != nil {
			return nil, err
		}
		return p.open(ctx, file)
	}
}

// local is a folder with the models that a worker's jobs may run, where it is. Those of a bucket the worker fetches into its
// run's folder, once: a job's process needs no keys for them then, and can't change them.
func (c *modelsConfig) local(ctx context.Context, cloud *cloudConfig, run string, log *slog.Logger) (string, error) {
	if !isBucket(c.Models) {
		return c.Models, nil
	}
	place, err := c.open(ctx, cloud)
	if err != nil {
		return "", err
	}
	sizes, err := place.files(ctx)
	if err != nil {
		return "", fmt.Errorf("list models in %s: %w", c.Models, err)
	}
	dir := modelFolder(filepath.Join(run, "models"))
	if err := os.Mkdir(string(dir), 0o700); err != nil {
		return "", fmt.Errorf("make folder of models: %w", err)
	}
	for file, size := range sizes {
		if size > onnx.MaxWeights {
			log.WarnContext(ctx, "model too large", "file", file, "bytes", size)
			continue
		}
		f, err := place.open(ctx, file)
		if err == nil {
			err = errors.Join(dir.put(ctx, file, f), f.Close())
		}
		if err != nil {
			return "", fmt.Errorf("fetch %s of %s: %w", file, c.Models, err)
		}
	}
	return string(dir), nil
}

// A modelPlace is where models lie, each in files of its own name.
type modelPlace interface {
	// files are those of models, with their sizes in bytes.
	files(ctx context.Context) (map[string]int64, error)
	// open returns fs.ErrNotExist where there is none of that name.
	open(ctx context.Context, file string) (io.ReadCloser, error)
	// put makes or replaces a file, in one step.
	put(ctx context.Context, file string, r io.Reader) error
}

// isModelFile says whether a name is that of a model's file.
func isModelFile(name string) bool {
	ext := filepath.Ext(name)
	return (ext == onnx.WeightsExt || ext == onnx.DescriptionExt) && onnx.CheckName(strings.TrimSuffix(name, ext))
}

// A modelFolder may not be there yet: then it is empty.
type modelFolder string

func (d modelFolder) files(context.Context) (map[string]int64, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, plainPath(err)
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(string(d), e.Name())) // volumes of Kubernetes are folders of links
		if err == nil && info.Mode().IsRegular() && isModelFile(e.Name()) {
			sizes[e.Name()] = info.Size()
		}
	}
	return sizes, nil
}

func (d modelFolder) open(_ context.Context, file string) (io.ReadCloser, error) {
	if !isModelFile(file) {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(filepath.Join(string(d), file))
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d modelFolder) put(_ context.Context, file string, r io.Reader) (err error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(string(d), ".model-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = io.Copy(temp, r)
	// Workers may run as another user.
	if err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), filepath.Join(string(d), file))
}

type modelBucket struct{ store blob.Store }

func (b modelBucket) files(ctx context.Context) (map[string]int64, error) {
	sizes := map[string]int64{}
	for info, err := range b.store.List(ctx, "", "") {
		if err != nil {
			return nil, err
		}
		if isModelFile(info.Key) {
			sizes[info.Key] = info.Size
		}
	}
	return sizes, nil
}

func (b modelBucket) open(ctx context.Context, file string) (io.ReadCloser, error) {
	r, _, err := b.store.Open(ctx, file)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fs.ErrNotExist
	}
	return r, err
}

func (b modelBucket) put(ctx context.Context, file string, r io.Reader) error {
	text, err := io.ReadAll(r) // a bucket is told the size first
	if err != nil {
		return err
	}
	_, err = b.store.Put(ctx, file, bytes.NewReader(text), blob.PutOptions{})
	return err
}
