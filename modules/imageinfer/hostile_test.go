package imageinfer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/imageinfer"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/onnx"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// promising is a PNG whose header promises a size, and which holds nothing.
func promising(width, height uint32) []byte {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	head = append(binary.BigEndian.AppendUint32(head, height), 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}

func TestAPictureThatIsTooLargeIsRefusedBeforeItIsDecoded(t *testing.T) {
	c := real(t)
	require.NoError(t, c.Workspace.WriteFile("bomb.png", promising(30_000, 30_000)))
	require.NoError(t, c.Workspace.WriteFile("wide.png", promising(40_000, 1)))
	f, err := c.Workspace.Create("long.png")
	require.NoError(t, err)
	require.NoError(t, errors.Join(f.Truncate(65<<20), f.Close()))
	for photo, want := range map[string]string{
		"bomb.png": "read bomb.png: it is 30000×30000 pixels, more than the 32000 on a side and 50000000 in all",
		"wide.png": "read wide.png: it is 40000×1 pixels",
		"long.png": "read long.png: it has 65 MiB, more than the 64",
	} {
		_, err := modules.Probe(t.Context(), imageinfer.Module, c, props("squeezenet", photo))
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Permanent, fault.Of(err))
		_, err = imageinfer.Module.Run(t.Context(), c, props("squeezenet", photo))
		require.ErrorContains(t, err, want)
	}
}

func TestTheProbeTellsWhatItTakes(t *testing.T) {
	c := real(t)
	w, err := modules.Probe(t.Context(), imageinfer.Module, c, props("squeezenet", "kitten_224.png"))
	require.NoError(t, err)
	require.EqualValues(t, 56761+2_484_091, w.Demand.Input, "the picture and the weights")
	require.Greater(t, w.Demand.Memory, int64(8*224*224+4*2_484_091))
	_, err = modules.Probe(t.Context(), imageinfer.Module, c, props("alexnet", "kitten_224.png"))
	require.ErrorContains(t, err, `model "alexnet" is unknown`)
	require.Equal(t, fault.Permanent, fault.Of(err))
}

// What a large model takes a worker knows before its first task, and one without its weights costs nothing.
func TestTheProbeWeighsTheModel(t *testing.T) {
	c, dir := real(t), t.TempDir()
	c.Models = models(dir)
	weigh := func(bytes int64) (modules.Demand, error) {
		require.NoError(t, os.WriteFile(dir+"/resnet50.onnx", nil, 0o600))
		require.NoError(t, os.Truncate(dir+"/resnet50.onnx", bytes)) // nothing of it is read
		w, err := modules.Probe(t.Context(), imageinfer.Module, c, props("resnet50", "kitten_224.png"))
		return w.Demand, err
	}
	small, err := weigh(10 << 20)
	require.NoError(t, err)
	large, err := weigh(500 << 20)
	require.NoError(t, err)
	require.EqualValues(t, 490<<20, large.Input-small.Input)
	require.EqualValues(t, 4*490<<20, large.Memory-small.Memory)
	_, err = weigh(600 << 20)
	require.ErrorContains(t, err, "read resnet50.onnx: it has more than 512 MiB")
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.NoError(t, os.Remove(dir+"/resnet50.onnx"))
	_, err = modules.Probe(t.Context(), imageinfer.Module, c, props("resnet50", "kitten_224.png"))
	require.ErrorContains(t, err, `the weights of model "resnet50" are missing`)
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestAnInputIsWhatItHoldsNotWhatItIsCalled(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"SVG", `<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hostname"/></svg>`, "it is none of the pictures that are read here (PNG, JPEG, GIF, WebP)"},
		{"nothing", "", "it is none of the pictures"},
		{"a torn PNG", "\x89PNG\r\n\x1a\n\x00\x00", "it begins like a PNG and is none"},
		{"a PNG without pixels", string(promising(64, 64)), "it is a PNG that can't be read"},
		{"a WebP that is none", "RIFF\x00\x00\x00\x00WEBPVP8 ", "it begins like a WebP and is none"},
		{"a JPEG that is none", "\xff\xd8\xff\xd9", "it begins like a JPEG and is none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := real(t)
			require.NoError(t, c.Workspace.WriteFile("a.png", []byte(tt.text)))
			_, err := imageinfer.Module.Run(t.Context(), c, props("squeezenet", "a.png"))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			_, err = c.Workspace.Stat("out/result.json")
			require.Error(t, err)
		})
	}
}

// Opacity and palettes are what they are in Pillow; a strip one pixel wide is no reason to fill the memory.
func TestOddPicturesArePrepared(t *testing.T) {
	c := real(t)
	d, err := onnx.ParseDescription([]byte("size: 4\nrange: 255\noutput: logits"))
	require.NoError(t, err)
	clear, paletted := image.NewNRGBA(image.Rect(0, 0, 8, 8)), image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.NRGBA{200, 100, 50, 255}})
	gray := image.NewGray16(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		clear.SetNRGBA(i%8, i/8, color.NRGBA{200, 100, 50, 7})
		gray.SetGray16(i%8, i/8, color.Gray16{Y: 200<<8 + 99})
	}
	strip := image.NewNRGBA(image.Rect(0, 0, 1, 30_000))
	for y := range 30_000 {
		strip.SetNRGBA(0, y, color.NRGBA{200, 100, 50, 255})
	}
	coloured, plain := []float32{200, 100, 50}, []float32{200, 200, 200}
	for _, tt := range []struct {
		name   string
		encode func(*bytes.Buffer) error
		want   []float32
	}{
		{"clear.png", func(b *bytes.Buffer) error { return png.Encode(b, clear) }, coloured},
		{"palette.gif", func(b *bytes.Buffer) error { return gif.Encode(b, paletted, nil) }, coloured},
		{"gray16.png", func(b *bytes.Buffer) error { return png.Encode(b, gray) }, plain},
		{"strip.png", func(b *bytes.Buffer) error { return png.Encode(b, strip) }, coloured},
	} {
		var b bytes.Buffer
		require.NoError(t, tt.encode(&b))
		require.NoError(t, c.Workspace.WriteFile(tt.name, b.Bytes()))
		got, err := imageinfer.Prepare(t.Context(), c, tt.name, d)
		require.NoError(t, err)
		require.Len(t, got, 3*4*4)
		for channel, w := range tt.want {
			for _, v := range got[16*channel:][:16] {
				require.Equal(t, w, v, tt.name)
			}
		}
	}
	bgr, err := onnx.ParseDescription([]byte("size: 4\nrange: 255\nchannels: bgr\ncrop: none\nmean: [50, 0, 0]\nstd: [1, 2, 1]\noutput: logits"))
	require.NoError(t, err)
	got, err := imageinfer.Prepare(t.Context(), c, "clear.png", bgr)
	require.NoError(t, err)
	require.Equal(t, []float32{0, 50, 200}, []float32{got[0], got[16], got[32]})
}

func TestASlowPictureEndsWithItsTask(t *testing.T) {
	c := real(t)
	m := image.NewNRGBA(image.Rect(0, 0, 3000, 3000))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3)
	}
	var b bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m))
	require.NoError(t, c.Workspace.WriteFile("slow.png", b.Bytes()))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("lease lost"))
	start := time.Now()
	d, err := onnx.Describe(t.Context(), nil, "squeezenet")
	require.NoError(t, err)
	_, err = imageinfer.Prepare(ctx, c, "slow.png", d)
	require.ErrorContains(t, err, "lease lost")
	require.Less(t, time.Since(start), time.Second/4)
}

func TestAJobMayBringItsModel(t *testing.T) {
	c := real(t)
	weights, err := os.ReadFile("testdata/squeezenet.onnx")
	require.NoError(t, err)
	text, ok := onnx.ShippedDescription("squeezenet")
	require.True(t, ok)
	require.NoError(t, c.Workspace.WriteFile("mine/cats.onnx", weights))
	_, err = imageinfer.Module.Run(t.Context(), c, props("mine/cats.onnx", "kitten_224.png"))
	require.ErrorContains(t, err, `model "cats" is unknown`)
	require.NoError(t, c.Workspace.WriteFile("mine/cats.yaml", text))
	out, err := imageinfer.Module.Run(t.Context(), c, props("/home/workspace/mine/cats.onnx", "kitten_224.png"))
	require.NoError(t, err)
	require.Equal(t, "cats", out["model"])

	_, err = imageinfer.Module.Run(t.Context(), c, props("../../etc/cats.onnx", "kitten_224.png"))
	require.ErrorContains(t, err, "outside")
	require.NoError(t, c.Workspace.WriteFile("mine/cats.yaml", bytes.ReplaceAll(text, []byte("softmax"), []byte("logits"))))
	require.NoError(t, c.Workspace.WriteFile("mine/cats.onnx", weights[:len(weights)/2]))
	_, err = imageinfer.Module.Run(t.Context(), c, props("mine/cats.onnx", "kitten_224.png"))
	require.ErrorContains(t, err, "the weights of model \"cats\" are others than its description says")
}

// Bytes that are changed within the weights' frame are a model still, or an error: the program ends in any case.
func TestABrokenModelIsAnErrorForGood(t *testing.T) {
	c := real(t)
	weights, err := os.ReadFile("testdata/squeezenet.onnx")
	require.NoError(t, err)
	broken := bytes.ReplaceAll(weights, []byte("Conv"), []byte("Canv"))
	require.NoError(t, c.Workspace.WriteFile("m.onnx", broken))
	require.NoError(t, c.Workspace.WriteFile("m.yaml", []byte("size: 224\nrange: 255\noutput: softmax\n")))
	_, err = imageinfer.Module.Run(t.Context(), c, props("m.onnx", "kitten_224.png"))
	require.ErrorContains(t, err, `run model "m": ONNX Runtime: `)
	require.ErrorContains(t, err, "Canv")
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = c.Workspace.Stat("out/result.json")
	require.Error(t, err)
}

func TestAModelThatTakesTooMuchIsStopped(t *testing.T) {
	c := real(t)
	c.Tools.Limits = map[string]proc.Limits{tool.ONNXRuntime().Name: {Memory: 20 << 20}}
	m, err := onnx.Load(t.Context(), c.Models, "mobilenet_v3_small")
	require.NoError(t, err)
	r := onnx.Runtime{Tools: c.Tools, Exec: c.Exec, Env: c.Env}
	// One run may be over before anybody looks, ten times a second.
	_, _, err = r.Infer(t.Context(), m, onnx.Run{Input: make([]float32, 3*m.Size*m.Size), Times: 10_000})
	require.ErrorContains(t, err, "ONNX Runtime used more than 20 MiB of memory, and was stopped")
}

func TestWithoutONNXRuntimeOneSentenceSaysSo(t *testing.T) {
	c := real(t)
	c.Tools = &tool.Set{Path: os.Getenv("PATH")}
	_, err := imageinfer.Module.Run(t.Context(), c, props("squeezenet", "kitten_224.png"))
	require.ErrorContains(t, err, "ONNX Runtime is missing: there is no onnxruntime-gpu/bin/python or onnxruntime/bin/python; use the heavy image")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

// The wheel of this machine has no CUDA, or no driver for it, as on a machine whose GPU image is wrong.
func TestAGPUIsRequiredUnlessTheTaskSaysElse(t *testing.T) {
	c := real(t)
	c.Devices, c.GPU = []gpu.Device{{UUID: "GPU-1"}}, gpu.Need{Use: gpu.Required}
	_, err := imageinfer.Module.Run(t.Context(), c, props("squeezenet", "kitten_224.png"))
	require.ErrorContains(t, err, "GPU is required: ONNX Runtime ")
	require.ErrorContains(t, err, "CUDA here")
	require.Equal(t, fault.Unknown, fault.Of(err), "another machine may do better")
	c.GPU.Use = gpu.Preferred
	out, err := imageinfer.Module.Run(t.Context(), c, props("squeezenet", "kitten_224.png"))
	require.NoError(t, err)
	require.Equal(t, "cpu", out["device"])
	require.Len(t, out["warnings"], 1)
	require.Contains(t, out["warnings"].([]any)[0], "it ran on the CPU: ONNX Runtime ")
	require.Equal(t, gpu.Required, imageinfer.Module.Spec().GPU.Use)
}

// What the program leaves is judged, whatever it is.
func TestAnAnswerThatIsNoneIsNotPublished(t *testing.T) {
	c := real(t)
	_, r := moduletest.Call(t)
	c.Exec = r
	_, err := imageinfer.Module.Run(t.Context(), c, props("squeezenet", "kitten_224.png"))
	require.ErrorContains(t, err, "ONNX Runtime gave no answer")
	require.Equal(t, fault.Unknown, fault.Of(err))
	_, err = c.Workspace.Stat("out/result.json")
	require.Error(t, err)
	require.Equal(t, int64(8<<30), r.Cmds()[0].Limits.Memory)
	require.Equal(t, 30*time.Minute, r.Cmds()[0].Limits.CPU)
}

// torchvision's CenterCrop rounds as Python does: a half to the even number.
func TestTheSquareIsCutOutWhereTorchvisionDoes(t *testing.T) {
	c := real(t)
	d, err := onnx.ParseDescription([]byte("size: 4\nrange: 255\noutput: logits"))
	require.NoError(t, err)
	for size, first := range map[image.Point]float32{{4, 5}: 0, {4, 6}: 10, {4, 7}: 20, {5, 4}: 0, {7, 4}: 20} {
		m := image.NewGray(image.Rectangle{Max: size})
		for i := range m.Pix {
			m.Pix[i] = byte(10 * max(i%size.X*min(1, size.X-4), i/size.X*min(1, size.Y-4)))
		}
		var b bytes.Buffer
		require.NoError(t, png.Encode(&b, m))
		require.NoError(t, c.Workspace.WriteFile("m.png", b.Bytes()))
		got, err := imageinfer.Prepare(t.Context(), c, "m.png", d)
		require.NoError(t, err)
		require.Equal(t, first, got[0], size)
	}
}
