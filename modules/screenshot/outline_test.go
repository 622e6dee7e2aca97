package screenshot_test

import (
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	scale "golang.org/x/image/draw"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/screenshot"
)

var sheet = flag.Bool("sheet", false, "draw docs/pictures.png anew")

// renderers draw the columns of docs/pictures.png, and these models its rows.
var (
	renderers = []string{"three", "cycles", "raster"}
	models    = []struct {
		name, file string
		least      float64 // that two outlines have in common
	}{
		{"hp-mixed-reality", "hp-mixed-reality/left.glb", 0.97},
		{"generic-trigger", "generic-trigger/left.glb", 0.97},
		{"2CylinderEngine", assimp + "2CylinderEngine-glTF-Binary/2CylinderEngine.glb", 0.97},
		{"BoxTextured", assimp + "BoxTextured-glTF-Binary/BoxTextured.glb", 0.97},
		{"valve-index", "valve-index/left.glb", 0.95},
	}
)

func TestAllRenderersShowTheSameOutline(t *testing.T) {
	const cell = 256
	page := image.NewRGBA(image.Rect(0, 0, cell*len(renderers), cell*len(models)))
	draw.Draw(page, page.Rect, image.NewUniform(color.Gray{224}), image.Point{}, draw.Src)
	warm := blender.NewWarm()
	defer warm.Close()
	for row, m := range models {
		t.Run(m.name, func(t *testing.T) {
			c := real(t, m.file)
			c.Blender = warm
			pictures := make([]image.Image, len(renderers))
			for i, renderer := range renderers {
				config := map[string]any{"width": 512, "height": 512}
				if renderer == "cycles" {
					config["samples"] = 4
					if *sheet {
						config["samples"] = 24
					}
				}
				out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
					"src": "model.glb", "dest": renderer + ".png", "renderer": renderer, "config": config,
				})
				require.NoError(t, err)
				require.Equal(t, renderer, out["renderer"])
				require.Equal(t, []any{}, out["warnings"])
				require.Equal(t, renderer != "raster", out["device"] != "")
				pictures[i] = decode(t, c, renderer+".png", png.Decode)
				keep(t, pictures[i], renderer+".png")
				at := image.Rect(i*cell, row*cell, (i+1)*cell, (row+1)*cell)
				scale.CatmullRom.Scale(page, at, pictures[i], pictures[i].Bounds(), scale.Over, nil)
			}
			for i := range renderers {
				for k := range i {
					same := overlap(pictures[i], pictures[k])
					t.Logf("%s and %s: IoU %.4f", renderers[k], renderers[i], same)
					require.GreaterOrEqual(t, same, m.least)
				}
				bright, blank := mean(pictures[i]), mean(pictures[0])
				t.Logf("%s: %.0f", renderers[i], bright)
				for k := range bright {
					require.InDelta(t, blank[k], bright[k], 20, "%s and three are as bright and as colourful", renderers[i])
				}
			}
		})
	}
	if *sheet {
		f, err := os.Create(filepath.Join("..", "..", "docs", "pictures.png"))
		require.NoError(t, err)
		require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(f, page))
		require.NoError(t, f.Close())
	}
}

// mean is the colour of what a picture shows of its model, 0 to 255.
func mean(img image.Image) (sum [3]float64) {
	n := 0.0
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			if c.A < 255 {
				continue
			}
			n++
			for k, v := range [3]uint8{c.R, c.G, c.B} {
				sum[k] += float64(v)
			}
		}
	}
	for k := range sum {
		sum[k] /= n
	}
	return sum
}
