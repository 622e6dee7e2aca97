package gltfcheck

// A Report is what the validator says of a file (validation.schema.json of its package).
type Report struct {
	URI              string `json:"uri,omitzero" doc:"The file, as the report calls it."`
	MIMEType         string `json:"mimeType,omitzero" doc:"model/gltf-binary or model/gltf+json; empty where the file is neither."`
	ValidatorVersion string `json:"validatorVersion" doc:"Version of Khronos' validator."`
	ValidatedAt      string `json:"validatedAt,omitzero" doc:"When it looked, where that was asked for."`
	Issues           Issues `json:"issues" doc:"What it found."`
	Info             Info   `json:"info" doc:"What the file holds, as far as it can be read."`
}

// Issues are what is wrong, or odd.
type Issues struct {
	Errors    int       `json:"numErrors" doc:"Rules of the format that are broken."`
	Warnings  int       `json:"numWarnings" doc:"What may be a mistake."`
	Infos     int       `json:"numInfos" doc:"What is worth knowing."`
	Hints     int       `json:"numHints" doc:"What could be better."`
	Messages  []Message `json:"messages" doc:"Each of them, up to the limit."`
	Truncated bool      `json:"truncated" doc:"There are more than are listed."`
}

// Severity is how bad a message is.
type Severity int

// From bad to good.
const (
	Error Severity = iota
	Warning
	Information
	Hint
)

// A Message is one issue.
type Message struct {
	Code     string   `json:"code" doc:"Which rule, in capitals: ACCESSOR_MIN_MISMATCH."`
	Message  string   `json:"message" doc:"A sentence."`
	Severity Severity `json:"severity" doc:"0 is an error, 1 a warning, 2 an information, 3 a hint."`
	Pointer  string   `json:"pointer,omitzero" doc:"JSON pointer to what it is about."`
	Offset   *int64   `json:"offset,omitzero" doc:"Where in a GLB, in bytes, where it is about the container."`
}

// Info is what a file holds.
type Info struct {
	Version            string     `json:"version,omitzero" doc:"Version of glTF."`
	MinVersion         string     `json:"minVersion,omitzero" doc:"Version of glTF that a reader needs."`
	Generator          string     `json:"generator,omitzero" doc:"Program that wrote it."`
	ExtensionsUsed     []string   `json:"extensionsUsed,omitzero" doc:"Extensions that it uses."`
	ExtensionsRequired []string   `json:"extensionsRequired,omitzero" doc:"Extensions that a reader needs."`
	Resources          []Resource `json:"resources,omitzero" doc:"Its buffers and pictures."`
	Animations         int        `json:"animationCount" doc:"Animations."`
	Materials          int        `json:"materialCount" doc:"Materials."`
	HasMorphTargets    bool       `json:"hasMorphTargets" doc:"Whether there are morph targets."`
	HasSkins           bool       `json:"hasSkins" doc:"Whether there are skins."`
	HasTextures        bool       `json:"hasTextures" doc:"Whether there are textures."`
	HasDefaultScene    bool       `json:"hasDefaultScene" doc:"Whether one scene is named to be shown."`
	DrawCalls          int64      `json:"drawCallCount" doc:"Primitives, counted once for each mesh."`
	Vertices           int64      `json:"totalVertexCount" doc:"Vertices, counted once for each mesh."`
	Triangles          int64      `json:"totalTriangleCount" doc:"Triangles, counted once for each mesh."`
	MaxUVs             int        `json:"maxUVs" doc:"Most texture coordinates of a primitive."`
	MaxInfluences      int        `json:"maxInfluences" doc:"Most joints of a vertex."`
	MaxAttributes      int        `json:"maxAttributes" doc:"Most attributes of a primitive."`
}

// A Resource is a buffer or a picture.
type Resource struct {
	Pointer    string `json:"pointer" doc:"JSON pointer to it."`
	MIMEType   string `json:"mimeType,omitzero" doc:"What it is."`
	Storage    string `json:"storage,omitzero" doc:"Where it lies: glb, data-uri, buffer-view or external."`
	ByteLength int64  `json:"byteLength,omitzero" doc:"Bytes, of a buffer."`
	URI        string `json:"uri,omitzero" doc:"Where it was read from, where that is another file."`
	Image      *Image `json:"image,omitzero" doc:"Of a picture."`
}

// An Image is what a picture's header says.
type Image struct {
	Width     int    `json:"width" doc:"Pixels."`
	Height    int    `json:"height" doc:"Pixels."`
	Format    string `json:"format,omitzero" doc:"rgb, rgba, luminance or luminance-alpha."`
	Primaries string `json:"primaries,omitzero" doc:"srgb or custom."`
	Transfer  string `json:"transfer,omitzero" doc:"linear, srgb or custom."`
	Bits      int    `json:"bits,omitzero" doc:"Of a channel."`
}
