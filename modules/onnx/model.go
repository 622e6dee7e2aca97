package onnx

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/fault"
)

// A Shelf opens the files that models lie in, by their names; fs.ErrNotExist where there is none of that name.
type Shelf func(ctx context.Context, file string) (io.ReadCloser, error)

// A Model is one that can be run.
type Model struct {
	Name string
	Description
	Graph   Graph
	Weights []byte
	SHA256  string // of Weights, in hexadecimal
}

// Describe returns a model's description: of the shelf, else the one that is shipped. An unknown model is a permanent error.
func Describe(ctx context.Context, shelf Shelf, name string) (*Description, error) {
	if !CheckName(name) {
		return nil, fault.As(fault.Permanent, fmt.Errorf("%q can't be a model's name; there are %s", clip(name), known()))
	}
	text, err := read(ctx, shelf, name+DescriptionExt, MaxDescription)
	if errors.Is(err, fs.ErrNotExist) {
		var ok bool
		if text, ok = ShippedDescription(name); !ok {
			return nil, fault.As(fault.Permanent, fmt.Errorf("model %q is unknown: there is no %s%s among the operator's models, and those that Millrace describes are %s",
				name, name, DescriptionExt, known()))
		}
	} else if err != nil {
		return nil, fmt.Errorf("read %s%s: %w", name, DescriptionExt, err)
	}
	d, err := ParseDescription(text)
	if err != nil {
		return nil, fault.As(fault.Permanent, fmt.Errorf("description of model %q: %w", name, err))
	}
	return d, nil
}

func known() string { return strings.Join(Shipped(), ", ") }

// Load reads a model, and holds it to its description. Missing weights, and such as can't be what the description says, are
// permanent errors; others, a bucket that does not answer, may pass, and so may a wrong sum while weights are replaced.
func Load(ctx context.Context, shelf Shelf, name string) (*Model, error) {
	d, err := Describe(ctx, shelf, name)
	if err != nil {
		return nil, err
	}
	weights, err := read(ctx, shelf, name+WeightsExt, MaxWeights)
	if err != nil {
		return nil, unread(name, err)
	}
	return Check(name, d, weights)
}

// unread says why a model's weights were not read.
func unread(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.As(fault.Permanent, fmt.Errorf("the weights of model %q are missing: the operator adds them with `millrace models add %s%s`", name, name, WeightsExt))
	}
	return fmt.Errorf("read %s%s: %w", name, WeightsExt, err)
}

// Weigh returns how many bytes of weights a model has, and the errors that Load would, as far as they show without reading them.
func Weigh(ctx context.Context, shelf Shelf, name string) (int64, error) {
	if _, err := Describe(ctx, shelf, name); err != nil {
		return 0, err
	}
	if shelf == nil {
		return 0, unread(name, fs.ErrNotExist)
	}
	f, err := shelf(ctx, name+WeightsExt)
	if err != nil {
		return 0, unread(name, err)
	}
	size := sizeOf(f)
	if err := f.Close(); err != nil {
		return 0, unread(name, err)
	}
	if size > MaxWeights {
		return 0, unread(name, tooLong(MaxWeights))
	}
	return size, nil
}

// sizeOf is how many bytes a file has, 0 where that does not show.
func sizeOf(f io.Reader) int64 {
	if f, ok := f.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err == nil {
			return info.Size()
		}
	}
	return 0
}

func tooLong(most int64) error {
	return fault.As(fault.Permanent, fmt.Errorf("it has more than %d MiB", most>>20))
}

// Check holds weights to a description.
func Check(name string, d *Description, weights []byte) (*Model, error) {
	sum := sha256.Sum256(weights)
	m := &Model{Name: name, Description: *d, Weights: weights, SHA256: hex.EncodeToString(sum[:])}
	if d.SHA256 != "" && d.SHA256 != m.SHA256 {
		return nil, fmt.Errorf("the weights of model %q are others than its description says: their SHA-256 is %s, and should be %s", name, m.SHA256, d.SHA256)
	}
	g, err := ReadGraph(weights)
	if err == nil {
		m.Graph = *g
		err = d.Fits(g)
	}
	if err != nil {
		return nil, fault.As(fault.Permanent, fmt.Errorf("model %q can't be used: %w", name, err))
	}
	return m, nil
}

// read returns a file of at most so many bytes.
func read(ctx context.Context, shelf Shelf, file string, most int64) ([]byte, error) {
	if shelf == nil {
		return nil, fs.ErrNotExist
	}
	f, err := shelf(ctx, file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := sizeOf(f)
	if size > most {
		return nil, tooLong(most)
	}
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead) // else it is copied as it grows
	if n, err := io.Copy(&b, io.LimitReader(f, most+1)); err != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	} else if n > most {
		return nil, tooLong(most)
	}
	return b.Bytes(), nil
}

// Names are the models of a list of files, sorted, and those that are shipped.
func Names(files []string) []string {
	names := Shipped()
	for _, f := range files {
		for _, ext := range []string{WeightsExt, DescriptionExt} {
			if name, ok := strings.CutSuffix(f, ext); ok && CheckName(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
