package onnx_test

import (
	"context"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/onnx"
)

// A message is built field by field as Protocol Buffers write them.
type message []byte

func (m message) text(num uint64, b []byte) message {
	m = binary.AppendUvarint(m, num<<3|2)
	m = binary.AppendUvarint(m, uint64(len(b)))
	return append(m, b...)
}

func (m message) number(num, v uint64) message {
	return binary.AppendUvarint(binary.AppendUvarint(m, num<<3), v)
}

// value is a ValueInfoProto.
func value(name string, elem uint64, dims ...int64) message {
	var shape message
	for _, d := range dims {
		dim := message{}.text(2, []byte("batch"))
		if d > 0 {
			dim = message{}.number(1, uint64(d))
		}
		shape = shape.text(1, dim)
	}
	return message{}.text(1, []byte(name)).text(2, message{}.text(1, message{}.number(1, elem).text(2, shape)))
}

func node(op string, more ...message) message {
	m := message{}.text(4, []byte(op))
	for _, part := range more {
		m = append(m, part...)
	}
	return m
}

// model is a ModelProto of a classifier of ten classes, with more in its graph.
func model(more ...message) []byte {
	g := message{}.text(11, value("x", 1, 0, 3, 8, 8)).text(12, value("y", 1, 0, 10)).text(1, node("Gemm"))
	for _, part := range more {
		g = append(g, part...)
	}
	return message{}.number(1, 8).text(7, g)
}

const description = "size: 8\noutput: logits\n"

func TestAGraphIsReadWithoutItsWeights(t *testing.T) {
	weights := message{}.text(8, []byte("w")).text(9, make([]byte, 4<<10))
	g, err := onnx.ReadGraph(model(message{}.text(5, weights).text(11, value("w", 1, 10, 64))))
	require.NoError(t, err)
	require.Equal(t, []onnx.Value{{Name: "x", Type: onnx.Float32, Dims: []int64{-1, 3, 8, 8}}}, g.Inputs, "weights are no input")
	require.Equal(t, []onnx.Value{{Name: "y", Type: onnx.Float32, Dims: []int64{-1, 10}}}, g.Outputs)
	require.Equal(t, 1, g.Nodes)
}

func TestWhatReachesForOtherFilesIsRefused(t *testing.T) {
	outside := message{}.text(8, []byte("w")).number(14, 1).text(13, message{}.text(1, []byte("location")).text(2, []byte("../../etc/passwd")))
	attribute := func(num uint64, b message) message { return message{}.text(5, message{}.text(num, b)) }
	nested := message{}.text(5, outside)
	for _, tt := range []struct {
		name  string
		model []byte
		want  string
	}{
		{"weights", model(message{}.text(5, outside)), "its weights lie in another file"},
		{"weights without a place", model(message{}.text(5, message{}.number(14, 1))), "its weights lie in another file"},
		{"a place alone", model(message{}.text(5, message{}.text(13, nil))), "its weights lie in another file"},
		{"sparse weights", model(message{}.text(15, message{}.text(1, outside))), "its weights lie in another file"},
		{"an attribute", model(message{}.text(1, node("Constant", attribute(5, outside)))), "its weights lie in another file"},
		{"a list of attributes", model(message{}.text(1, node("Constant", attribute(10, outside)))), "its weights lie in another file"},
		{"a sparse attribute", model(message{}.text(1, node("Constant", attribute(22, message{}.text(2, outside))))), "its weights lie in another file"},
		{"a subgraph", model(message{}.text(1, node("If", attribute(6, nested)))), "its weights lie in another file"},
		{"a list of subgraphs", model(message{}.text(1, node("If", attribute(11, nested)))), "its weights lie in another file"},
		{"a function", append(model(), message{}.text(25, message{}.text(7, node("Constant", attribute(5, outside))))...), "its weights lie in another file"},
		{"a second graph", append(model(), message{}.text(7, nested)...), "its weights lie in another file"},
		{"compiled code", model(message{}.text(1, node("EPContext"))), "code compiled for one accelerator"},
		{"a library's operator", model(message{}.text(1, node("Open", message{}.text(7, []byte("com.evil"))))), `operators of "com.evil"`},
		{"training", append(model(), message{}.text(20, nil)...), "a model to be trained"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := onnx.ReadGraph(tt.model)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestWhatIsNoModelIsRefused(t *testing.T) {
	deep := message{}
	for range 100 {
		deep = message{}.text(1, node("If", message{}.text(5, message{}.text(6, deep))))
	}
	for _, tt := range []struct {
		name  string
		model []byte
		want  string
	}{
		{"nothing", nil, "there is no operator in it"},
		{"a page", []byte("<!DOCTYPE html><html></html>"), "it is no ONNX file"},
		{"a pointer of Git LFS", []byte("version https://git-lfs.github.com/spec/v1\n"), "it is no ONNX file"},
		{"a torn file", model()[:20], "it is no ONNX file, or one that is cut off"},
		{"a length that lies", binary.AppendUvarint([]byte{7<<3 | 2}, 1<<62), "it is no ONNX file"},
		{"ONNX Runtime's own form", []byte("\x18\x00\x00\x00ORTM\x00\x00"), "ONNX Runtime's own form"},
		{"subgraphs without end", model(deep), "more than 32 deep"},
		{"operators without end", model(message(strings.Repeat("\x0a\x00", 200_001))), "more than 200000 operators"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := onnx.ReadGraph(tt.model)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestAModelMustBeWhatItsDescriptionSays(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"right", description, ""},
		{"with its labels", description + "labels: [a, b, c, d, e, f, g, h, i, j]", ""},
		{"another size", "size: 16\noutput: logits\n", `its input "x" is [-1 3 8 8], and its description makes [1 3 16 16]`},
		{"other labels", description + "labels: imagenet\n", "it has 10 classes, and its description 1000 labels"},
		{"another sum", description + "sha256: " + strings.Repeat("0", 64), "their SHA-256 is "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := onnx.ParseDescription([]byte(tt.text))
			require.NoError(t, err)
			_, err = onnx.Check("m", d, model())
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestADescriptionSaysAllThatIsWrongWithIt(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"size: 0\noutput: logits", "size must be 1 to 1024"},
		{"size: 8\noutput: x", `output must be logits or softmax, got "x"`},
		{"size: 8\nresize: 4\noutput: logits", "resize must be at least size"},
		{"size: 8\noutput: logits\nmean: [.nan, 0, 0]", "mean must be three numbers"},
		{"size: 8\noutput: logits\nstd: [1, 0, 1]", "std must be three numbers above 0"},
		{"size: 8\noutput: logits\nchannels: abc", "channels must be rgb or bgr"},
		{"size: 8\noutput: logits\nlabels: ../../etc/passwd", "write a list of names, or imagenet"},
		{"size: 8\noutput: logits\nsha256: zz", "sha256 must be 64 hexadecimal digits"},
		{"size: 8\noutput: logits\nweights: /etc/passwd", "field weights not found"},
		{"[]", "it is no description of a model"},
		{"", "it is no description of a model"},
		{strings.Repeat("#", onnx.MaxDescription+1), "it has more than 1024 KiB"},
		{"a: &a [x, x]\nb: &b [*a, *a]\nlabels: [*b, *b]", "it is no description of a model"},
	} {
		_, err := onnx.ParseDescription([]byte(tt.text))
		require.ErrorContains(t, err, tt.want)
	}
	_, err := onnx.ParseDescription([]byte("size: 0\noutput: x"))
	require.ErrorContains(t, err, "size")
	require.ErrorContains(t, err, "output")
}

// shelf is one in memory.
func shelf(files map[string]string) onnx.Shelf {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return func(_ context.Context, file string) (io.ReadCloser, error) { return m.Open(file) }
}

func TestUnknownModelsAndMissingWeightsAreRefusedForGood(t *testing.T) {
	for _, tt := range []struct {
		name  string
		shelf onnx.Shelf
		want  string
	}{
		{"alexnet", nil, `model "alexnet" is unknown: there is no alexnet.yaml among the operator's models, and those that Millrace describes are mobilenet_v3_small, resnet50, squeezenet`},
		{"resnet50", nil, "the weights of model \"resnet50\" are missing: the operator adds them with `millrace models add resnet50.onnx`"},
		{"parts", shelf(map[string]string{"parts.yaml": description}), `the weights of model "parts" are missing`},
		{"parts", shelf(map[string]string{"parts.onnx": string(model())}), `model "parts" is unknown`},
		{"parts", shelf(map[string]string{"parts.onnx": "rubbish", "parts.yaml": description}), `model "parts" can't be used: it is no ONNX file`},
		{"../secret", shelf(nil), `"../secret" can't be a model's name`},
		{"a/b", shelf(nil), `"a/b" can't be a model's name`},
	} {
		_, err := onnx.Load(t.Context(), tt.shelf, tt.name)
		require.ErrorContains(t, err, tt.want)
		require.Equal(t, fault.Permanent, fault.Of(err), tt.want)
	}
}

func TestAModelOfTheShelfWinsOverAShippedDescription(t *testing.T) {
	m, err := onnx.Load(t.Context(), shelf(map[string]string{"resnet50.onnx": string(model()), "resnet50.yaml": description}), "resnet50")
	require.NoError(t, err)
	require.Equal(t, 8, m.Size)
	require.Equal(t, []string{"mobilenet_v3_small", "parts", "resnet50", "squeezenet"}, onnx.Names([]string{"parts.onnx", "parts.yaml", ".x.onnx", "notes.txt"}))
}

func TestAShelfThatDoesNotAnswerMayPass(t *testing.T) {
	_, err := onnx.Load(t.Context(), func(context.Context, string) (io.ReadCloser, error) { return nil, os.ErrDeadlineExceeded }, "resnet50")
	require.ErrorContains(t, err, "read resnet50.yaml")
	require.Equal(t, fault.Unknown, fault.Of(err))
	require.NotErrorIs(t, err, fs.ErrNotExist)
}

func TestShippedDescriptionsAreGood(t *testing.T) {
	require.Equal(t, []string{"mobilenet_v3_small", "resnet50", "squeezenet"}, onnx.Shipped())
	for _, name := range onnx.Shipped() {
		d, err := onnx.Describe(t.Context(), nil, name)
		require.NoError(t, err)
		require.Len(t, d.Labels, 1000)
		require.Equal(t, "tench, Tinca tinca", d.ClassName(0))
		require.Equal(t, "toilet tissue, toilet paper, bathroom tissue", d.ClassName(999))
		require.Empty(t, d.ClassName(1000))
	}
}

// Whatever the bytes, reading ends, and a graph that is returned refers to no other file.
func FuzzReadGraph(f *testing.F) {
	f.Add(model())
	f.Add(model(message{}.text(5, message{}.text(13, nil))))
	f.Add([]byte("version https://git-lfs"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := onnx.ReadGraph(b)
		if err == nil && g.Nodes == 0 {
			t.Fatal("a model without an operator")
		}
	})
}

func FuzzParseDescription(f *testing.F) {
	f.Add([]byte(description))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := onnx.ParseDescription(text)
		if err == nil && (d.Size < 1 || d.Resize < d.Size || len(d.Mean) != 3 || len(d.Std) != 3) {
			t.Fatalf("%+v", d)
		}
	})
}
