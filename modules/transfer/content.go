package transfer

import (
	"cmp"
	"path"
	"strings"
	"sync"
)

// ContentType is what a file is by its extension, as IANA registers it where it does; application/octet-stream where the
// extension says nothing.
func ContentType(name string) string {
	return cmp.Or(contentTypes()[strings.ToLower(path.Ext(name))], "application/octet-stream")
}

// contentTypes is a table of our own, so that nothing depends on what a machine has installed.
var contentTypes = sync.OnceValue(func() map[string]string {
	return map[string]string{
		".3mf":  "model/3mf",
		".glb":  "model/gltf-binary",
		".gltf": "model/gltf+json",
		".iges": "model/iges",
		".igs":  "model/iges",
		".mtl":  "model/mtl",
		".obj":  "model/obj",
		".step": "model/step",
		".stl":  "model/stl",
		".stp":  "model/step",
		".usd":  "model/vnd.usd",
		".usda": "model/vnd.usda",
		".usdc": "model/vnd.usd",
		".usdz": "model/vnd.usdz+zip",

		".avif": "image/avif",
		".gif":  "image/gif",
		".hdr":  "image/vnd.radiance",
		".jpeg": "image/jpeg",
		".jpg":  "image/jpeg",
		".ktx2": "image/ktx2",
		".mov":  "video/quicktime",
		".mp3":  "audio/mpeg",
		".mp4":  "video/mp4",
		".png":  "image/png",
		".svg":  "image/svg+xml",
		".tif":  "image/tiff",
		".tiff": "image/tiff",
		".wav":  "audio/wav",
		".webm": "video/webm",
		".webp": "image/webp",

		".css":  "text/css; charset=utf-8",
		".csv":  "text/csv; charset=utf-8",
		".gz":   "application/gzip",
		".htm":  "text/html; charset=utf-8",
		".html": "text/html; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".json": "application/json",
		".log":  "text/plain; charset=utf-8",
		".mjs":  "text/javascript; charset=utf-8",
		".pdf":  "application/pdf",
		".txt":  "text/plain; charset=utf-8",
		".wasm": "application/wasm",
		".xml":  "application/xml",
		".yaml": "application/yaml",
		".yml":  "application/yaml",
		".zip":  "application/zip",
	}
})
