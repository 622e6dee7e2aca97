package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Graph is what a model takes and gives.
type Graph struct {
	Inputs  []Value // that a run must be given: weights are left out
	Outputs []Value
	Nodes   int // operators, those of subgraphs and functions too
}

// A Value is an input or output.
type Value struct {
	Name string
	Type ElemType
	Dims []int64 // a size that only a run knows is -1
}

// An ElemType is the type of a tensor's elements, as ONNX numbers them (onnx.proto, TensorProto.DataType).
type ElemType uint64

// The types that pictures and scores have here.
const (
	Float32 ElemType = 1
	Float16 ElemType = 10
)

// Bounds of what is read.
const (
	maxDepth = 32      // subgraphs in subgraphs
	maxNodes = 200_000 // operators; a ResNet-152 has 500
)

// ReadGraph reads a model in ONNX's form (onnx.proto, IR version 3 and later) without its weights. It refuses what makes a
// runtime look at other files: weights that lie outside, compiled contexts of accelerators, and operators of its own libraries.
func ReadGraph(model []byte) (*Graph, error) {
	if len(model) >= 8 && string(model[4:8]) == "ORTM" {
		return nil, errors.New("it is a file of ONNX Runtime's own form (.ort); give the .onnx that it was made of")
	}
	r := &reader{weights: map[string]bool{}}
	if err := each(model, r.model); err != nil {
		return nil, err
	}
	if r.nodes == 0 {
		return nil, errors.New("it is no ONNX model: there is no operator in it")
	}
	g := &Graph{Outputs: r.outputs, Nodes: r.nodes}
	for _, v := range r.inputs {
		if !r.weights[v.Name] {
			g.Inputs = append(g.Inputs, v)
		}
	}
	return g, nil
}

// A reader walks through a model.
type reader struct {
	inputs, outputs []Value         // of the outermost graph
	weights         map[string]bool // names of its initializers, which old models list as inputs too
	nodes           int
}

// model takes a field of a ModelProto.
func (r *reader) model(f field) error {
	switch f.num {
	case 7: // graph
		return r.graph(f, 0)
	case 20: // training_info
		return errors.New("it is a model to be trained; export it for inference")
	case 25: // functions
		return message(f, func(in field) error {
			switch in.num {
			case 7:
				return r.node(in, 1)
			case 11:
				return r.attribute(in, 1)
			}
			return nil
		})
	}
	return nil
}

func (r *reader) graph(f field, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("its subgraphs lie more than %d deep", maxDepth)
	}
	return message(f, func(in field) error {
		switch in.num {
		case 1:
			return r.node(in, depth)
		case 5: // initializer
			name, err := tensor(in)
			if depth == 0 {
				r.weights[name] = true
			}
			return err
		case 15: // sparse_initializer
			return sparse(in)
		case 11, 12: // input, output
			if depth > 0 {
				return nil
			}
			v, err := valueInfo(in)
			if in.num == 11 {
				r.inputs = append(r.inputs, v)
			} else {
				r.outputs = append(r.outputs, v)
			}
			return err
		}
		return nil
	})
}

func (r *reader) node(f field, depth int) error {
	if r.nodes++; r.nodes > maxNodes {
		return fmt.Errorf("it has more than %d operators", maxNodes)
	}
	return message(f, func(in field) error {
		switch in.num {
		case 4: // op_type
			if string(in.data) == "EPContext" {
				return errors.New("it holds code compiled for one accelerator (EPContext); export the model itself")
			}
		case 5:
			return r.attribute(in, depth)
		case 7: // domain
			// Those that ONNX Runtime has itself. Others come of libraries that a model may not bring.
			if d := string(in.data); !slices.Contains([]string{"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}, d) && !strings.HasPrefix(d, "pkg.") {
				return fmt.Errorf("it has operators of %q, which are not read here; export with ONNX's own", clip(d))
			}
		}
		return nil
	})
}

func (r *reader) attribute(f field, depth int) error {
	return message(f, func(in field) error {
		switch in.num {
		case 5, 10: // t, tensors
			_, err := tensor(in)
			return err
		case 6, 11: // g, graphs
			return r.graph(in, depth+1)
		case 22, 23: // sparse_tensor, sparse_tensors
			return sparse(in)
		}
		return nil
	})
}

// tensor returns the name of a TensorProto, and refuses one whose numbers lie in another file.
func tensor(f field) (name string, err error) {
	err = message(f, func(in field) error {
		switch {
		case in.num == 8:
			name = string(in.data)
		case in.num == 13, in.num == 14 && in.value != 0: // external_data, data_location
			return errors.New("its weights lie in another file, which is not read here; save the model as one file (torch.onnx.export with external_data=False, or onnx.save with save_as_external_data=False)")
		}
		return nil
	})
	return name, err
}

func sparse(f field) error {
	return message(f, func(in field) error {
		if in.num != 1 && in.num != 2 { // values, indices
			return nil
		}
		_, err := tensor(in)
		return err
	})
}

// valueInfo reads a ValueInfoProto.
func valueInfo(f field) (v Value, err error) {
	err = message(f, func(in field) error {
		switch in.num {
		case 1:
			v.Name = string(in.data)
		case 2: // type
			return message(in, func(in field) error {
				if in.num != 1 { // tensor_type
					return nil
				}
				return message(in, v.tensorType)
			})
		}
		return nil
	})
	return v, err
}

// tensorType takes a field of a TypeProto.Tensor.
func (v *Value) tensorType(f field) error {
	switch f.num {
	case 1:
		v.Type = ElemType(f.value)
	case 2: // shape
		return message(f, func(in field) error {
			if in.num != 1 { // dim
				return nil
			}
			size := int64(-1)
			err := message(in, func(in field) error {
				if in.num == 1 {
					size = int64(in.value)
				}
				return nil
			})
			v.Dims = append(v.Dims, size)
			return err
		})
	}
	return nil
}

// message calls take for every field of a message in a message.
func message(f field, take func(field) error) error {
	if f.wire != bytesOf {
		return errWire
	}
	return each(f.data, take)
}

// clip keeps a name from filling a page.
func clip(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
