// Package glb reads, measures, changes and writes glTF 2.0, binary (.glb) and text (.gltf), that nobody vouches for. It knows
// nothing of jobs or tools.
//
//	doc, err := glb.Open(workspace, "scene.gltf", glb.Limits{}) // with its buffers and pictures, which stay in the workspace
//	doc, err := glb.Read(r, glb.Source{...})                    // from anywhere else
//	m, err := doc.Measure(ctx)                                  // triangles drawn, bounds, materials, pictures, animations …
//	m := doc.Count()                                            // the same without bounds, fast
//	points, err := doc.Floats(accessor)                         // what an accessor holds; also Indices
//	order, world := doc.Worlds()                                // nodes that are shown, and where
//	corners, err := doc.Corners(primitive)                      // its triangles, whatever its mode
//	accessor := doc.AddFloats(points, "VEC3")                   // also AddIndices, AddView; Prune drops what nothing names
//	err = doc.Write(w)                                          // as one GLB with all it needs inside; WriteText: as .gltf
//	glb.Sniff(head)                                             // Binary, Text or Neither, by what it begins with
//
// What Read returns is sound: every index in it is in range, every view lies in its buffer and every accessor in its view, nodes
// are trees, and nothing points out of the document: buffers and pictures are in memory, without a URI. What the types here do
// not name (extras, extensions, fields of later versions) stays as it was read, in Rest and Extensions.
//
// Errors about what a file holds are permanent (package fault) and name the place; errors from the reader are passed on as they
// came.
package glb

import (
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/modules/fault"
)

// A Document is a glTF asset. Indices are those of its own slices; nil is none.
type Document struct {
	Asset       Asset        `json:"asset"`
	Scene       *int         `json:"scene,omitzero"`
	Scenes      []Scene      `json:"scenes,omitzero"`
	Nodes       []Node       `json:"nodes,omitzero"`
	Meshes      []Mesh       `json:"meshes,omitzero"`
	Materials   []Material   `json:"materials,omitzero"`
	Textures    []Texture    `json:"textures,omitzero"`
	Images      []Image      `json:"images,omitzero"`
	Samplers    []Sampler    `json:"samplers,omitzero"`
	Animations  []Animation  `json:"animations,omitzero"`
	Skins       []Skin       `json:"skins,omitzero"`
	Accessors   []Accessor   `json:"accessors,omitzero"`
	BufferViews []BufferView `json:"bufferViews,omitzero"`
	Buffers     []Buffer     `json:"buffers,omitzero"`
	Used        []string     `json:"extensionsUsed,omitzero"`
	Required    []string     `json:"extensionsRequired,omitzero"`
	Extensions  Extensions   `json:"extensions,omitzero"`
	Rest        Rest         `json:"-"`

	limits Limits
}

// Extensions are the extensions of an object, by name, as they were written.
type Extensions map[string]json.RawMessage

// Rest is what an object holds that its type does not name.
type Rest map[string]json.RawMessage

// An Asset says what wrote the document.
type Asset struct {
	Version    string `json:"version"`
	MinVersion string `json:"minVersion,omitzero"`
	Generator  string `json:"generator,omitzero"`
	Copyright  string `json:"copyright,omitzero"`
	Rest       Rest   `json:"-"`
}

// A Scene is a list of root nodes.
type Scene struct {
	Name       string     `json:"name,omitzero"`
	Nodes      []int      `json:"nodes,omitzero"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// A Node places a mesh, a skin or other nodes. It has a Matrix or the three others; nil is the identity.
type Node struct {
	Name        string      `json:"name,omitzero"`
	Children    []int       `json:"children,omitzero"`
	Mesh        *int        `json:"mesh,omitzero"`
	Skin        *int        `json:"skin,omitzero"`
	Matrix      *Matrix     `json:"matrix,omitzero"`
	Translation *[3]float64 `json:"translation,omitzero"`
	Rotation    *[4]float64 `json:"rotation,omitzero"` // a quaternion: x, y, z, w
	Scale       *[3]float64 `json:"scale,omitzero"`
	Weights     []float64   `json:"weights,omitzero"`
	Extensions  Extensions  `json:"extensions,omitzero"`
	Rest        Rest        `json:"-"`
}

// A Mesh is primitives that are drawn together.
type Mesh struct {
	Name       string      `json:"name,omitzero"`
	Primitives []Primitive `json:"primitives"`
	Weights    []float64   `json:"weights,omitzero"`
	Extensions Extensions  `json:"extensions,omitzero"`
	Rest       Rest        `json:"-"`
}

// A Primitive is geometry of one material. Attributes and Targets are accessors by semantic: POSITION, NORMAL, TEXCOORD_0.
type Primitive struct {
	Attributes map[string]int   `json:"attributes"`
	Indices    *int             `json:"indices,omitzero"`
	Material   *int             `json:"material,omitzero"`
	Mode       *int             `json:"mode,omitzero"` // nil is Triangles
	Targets    []map[string]int `json:"targets,omitzero"`
	Extensions Extensions       `json:"extensions,omitzero"`
	Rest       Rest             `json:"-"`
}

// Modes of a primitive.
const (
	Points = iota
	Lines
	LineLoop
	LineStrip
	Triangles
	TriangleStrip
	TriangleFan
)

// A Material is how a surface looks.
type Material struct {
	Name       string      `json:"name,omitzero"`
	PBR        *PBR        `json:"pbrMetallicRoughness,omitzero"`
	Normal     *TextureRef `json:"normalTexture,omitzero"`
	Occlusion  *TextureRef `json:"occlusionTexture,omitzero"`
	Emissive   *TextureRef `json:"emissiveTexture,omitzero"`
	AlphaMode  string      `json:"alphaMode,omitzero"` // empty is OPAQUE
	Extensions Extensions  `json:"extensions,omitzero"`
	Rest       Rest        `json:"-"`
}

// PBR is a material's metallic-roughness model.
type PBR struct {
	BaseColor         *TextureRef `json:"baseColorTexture,omitzero"`
	BaseColorFactor   *[4]float64 `json:"baseColorFactor,omitzero"`
	MetallicRoughness *TextureRef `json:"metallicRoughnessTexture,omitzero"`
	Extensions        Extensions  `json:"extensions,omitzero"`
	Rest              Rest        `json:"-"`
}

// A TextureRef is a material's use of a texture.
type TextureRef struct {
	Index      int        `json:"index"`
	TexCoord   int        `json:"texCoord,omitzero"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// A Texture is a picture and how it is sampled. Source may be nil where an extension (KHR_texture_basisu) names the picture.
type Texture struct {
	Name       string     `json:"name,omitzero"`
	Source     *int       `json:"source,omitzero"`
	Sampler    *int       `json:"sampler,omitzero"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// A Sampler is kept as it was read.
type Sampler struct {
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// An Image is an encoded picture: the bytes of a view. Read sees to it that View is not nil, and that MIMEType is what the bytes
// are.
type Image struct {
	Name       string     `json:"name,omitzero"`
	MIMEType   string     `json:"mimeType,omitzero"`
	View       *int       `json:"bufferView,omitzero"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// An Animation moves nodes.
type Animation struct {
	Name       string             `json:"name,omitzero"`
	Channels   []Channel          `json:"channels"`
	Samplers   []AnimationSampler `json:"samplers"`
	Extensions Extensions         `json:"extensions,omitzero"`
	Rest       Rest               `json:"-"`
}

// A Channel is what a sampler moves.
type Channel struct {
	Sampler    int        `json:"sampler"`
	Target     Target     `json:"target"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// A Target is a property of a node: translation, rotation, scale or weights.
type Target struct {
	Node       *int       `json:"node,omitzero"`
	Path       string     `json:"path"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// An AnimationSampler is a curve: accessors of times and of values.
type AnimationSampler struct {
	Input         int        `json:"input"`
	Output        int        `json:"output"`
	Interpolation string     `json:"interpolation,omitzero"` // empty is LINEAR
	Extensions    Extensions `json:"extensions,omitzero"`
	Rest          Rest       `json:"-"`
}

// A Skin is the joints of a mesh.
type Skin struct {
	Name        string     `json:"name,omitzero"`
	Joints      []int      `json:"joints"`
	InverseBind *int       `json:"inverseBindMatrices,omitzero"`
	Skeleton    *int       `json:"skeleton,omitzero"`
	Extensions  Extensions `json:"extensions,omitzero"`
	Rest        Rest       `json:"-"`
}

// An Accessor is a typed list in a view; without a view it is zeros.
type Accessor struct {
	Name       string     `json:"name,omitzero"`
	View       *int       `json:"bufferView,omitzero"`
	Offset     int64      `json:"byteOffset,omitzero"`
	Component  int        `json:"componentType"` // Byte … Float
	Normalized bool       `json:"normalized,omitzero"`
	Count      int64      `json:"count"`
	Type       string     `json:"type"` // SCALAR, VEC2, VEC3, VEC4, MAT2, MAT3, MAT4
	Min        []float64  `json:"min,omitzero"`
	Max        []float64  `json:"max,omitzero"`
	Sparse     *Sparse    `json:"sparse,omitzero"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// Component types of an accessor.
const (
	Byte          = 5120
	UnsignedByte  = 5121
	Short         = 5122
	UnsignedShort = 5123
	UnsignedInt   = 5125
	Float         = 5126
)

// Sparse is elements of an accessor that differ from its view.
type Sparse struct {
	Count   int64         `json:"count"`
	Indices SparseIndices `json:"indices"`
	Values  SparseValues  `json:"values"`
	Rest    Rest          `json:"-"`
}

// SparseIndices are which elements differ.
type SparseIndices struct {
	View      int   `json:"bufferView"`
	Offset    int64 `json:"byteOffset,omitzero"`
	Component int   `json:"componentType"`
	Rest      Rest  `json:"-"`
}

// SparseValues are what they are instead.
type SparseValues struct {
	View   int   `json:"bufferView"`
	Offset int64 `json:"byteOffset,omitzero"`
	Rest   Rest  `json:"-"`
}

// A BufferView is a part of a buffer.
type BufferView struct {
	Name       string     `json:"name,omitzero"`
	Buffer     int        `json:"buffer"`
	Offset     int64      `json:"byteOffset,omitzero"`
	Length     int64      `json:"byteLength"`
	Stride     int64      `json:"byteStride,omitzero"`
	Target     int        `json:"target,omitzero"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
}

// A Buffer is bytes. Data may be shared with the file that was read: replace it, don't change it. Where it is shorter than
// Length it is the fallback of compressed geometry (EXT_meshopt_compression), of which a file holds nothing.
type Buffer struct {
	Name       string     `json:"name,omitzero"`
	Length     int64      `json:"byteLength"`
	Extensions Extensions `json:"extensions,omitzero"`
	Rest       Rest       `json:"-"`
	Data       []byte     `json:"-"`
}

// malformed is an error about what a file holds: reading it again will not help.
func malformed(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}
