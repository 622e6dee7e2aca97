package imageinfer

import (
	"context"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/onnx"
)

// Prepare is what a model is given of a picture.
func Prepare(ctx context.Context, c *modules.Call, name string, d *onnx.Description) ([]float32, error) {
	return prepare(ctx, c, name, d)
}

// Infer returns a model's output, as it is.
func Infer(ctx context.Context, c *modules.Call, m *onnx.Model, input []float32) ([]float32, error) {
	a, _, err := infer(ctx, c, m, input)
	if err != nil {
		return nil, err
	}
	return a.Values, nil
}
