package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/screenshot"
)

// What a model may have that is drawn for a report: it comes on top of what its tasks took.
const (
	drawnBytes     = 16 << 20
	drawnTriangles = 250_000
	drawnTexels    = 8 << 20
)

// draws returns what makes small pictures of a job's models: ScreenshotGenerator, in software.
func draws(c modules.Call) func(ctx context.Context, model string) (image.Image, error) {
	return func(ctx context.Context, model string) (img image.Image, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("draw %s: panic: %v", model, p)
			}
		}()
		if err := mayBeDrawn(c, model); err != nil {
			return nil, err
		}
		own := ".report-" + rand.Text() // a folder: more than the picture is written
		defer func() { err = errors.Join(err, c.Workspace.RemoveAll(own)) }()
		name := own + "/model.png"
		_, err = screenshot.Module.Run(ctx, &c, map[string]any{
			"src": model, "dest": name, "renderer": "raster", "config": map[string]any{"width": int64(256), "height": int64(256)},
		})
		if err != nil {
			return nil, err
		}
		data, err := c.Workspace.ReadFile(name)
		if err != nil {
			return nil, err
		}
		return png.Decode(bytes.NewReader(data))
	}
}

// mayBeDrawn refuses what costs more than a small picture is worth.
func mayBeDrawn(c modules.Call, model string) error {
	info, err := c.Workspace.Stat(model)
	if err != nil {
		return err
	}
	if info.Size() > drawnBytes {
		return fmt.Errorf("%s has %d bytes", model, info.Size())
	}
	doc, err := glb.Open(c.Workspace, model, glb.Limits{Bytes: drawnBytes})
	if errors.Is(err, os.ErrNotExist) || doc == nil {
		return nil // no glTF: a mesh of so few bytes is drawn at once
	}
	if count := doc.Count(); count.Triangles > drawnTriangles || count.Texels() > drawnTexels {
		return fmt.Errorf("%s draws %d triangles and has pictures of %d texels", model, count.Triangles, count.Texels())
	}
	return nil
}
