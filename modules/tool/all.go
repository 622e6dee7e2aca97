package tool

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Where the tools come from. The manifest of deploy/tools has the same packages, and the versions.
const (
	fromDebian = "use the heavy image, or as root on Debian 12: apt-get install "
	fromTools  = "use the heavy image, or run `make tools` in a checkout and set MILLRACE_TOOLS to its folder .tools"
)

// The tools that modules run, or will. Their limits are those of one run: several times what the largest test model takes.

// ImageMagick is convert, or magick of version 7. A convert that is another program is passed over.
func ImageMagick() Tool {
	return Tool{
		Name:     "ImageMagick",
		Programs: []string{"magick", "convert-im7.q16", "convert-im6.q16", "convert"},
		Version:  []string{"-version"},
		Pattern:  `Version: ImageMagick (\d+\.\d+\.\d+(?:-\d+)?)`,
		Least:    "6.9.10",
		Get:      fromDebian + "imagemagick fonts-dejavu-core",
		Memory:   4 << 30,
	}
}

// FFmpeg is ffmpeg.
func FFmpeg() Tool {
	return Tool{
		Name:     "FFmpeg",
		Programs: []string{"ffmpeg"},
		Version:  []string{"-version"},
		Pattern:  `^ffmpeg version \D{0,2}(\d+(?:\.\d+)*)`,
		Least:    "4.3",
		Get:      fromDebian + "ffmpeg",
	}
}

// FFprobe is ffprobe, which comes with ffmpeg.
func FFprobe() Tool {
	return Tool{
		Name:     "FFprobe",
		Programs: []string{"ffprobe"},
		Version:  []string{"-version"},
		Pattern:  `^ffprobe version \D{0,2}(\d+(?:\.\d+)*)`,
		Least:    "4.3",
		Get:      fromDebian + "ffmpeg",
		Memory:   4 << 30,
	}
}

// Assimp is the assimp command.
func Assimp() Tool {
	return Tool{
		Name:     "assimp",
		Programs: []string{"assimp"},
		Version:  []string{"version"},
		Pattern:  `(?s)Open Asset Import Library.*Version (\d+\.\d+(?:\.\d+)?)`,
		Least:    "5.2",
		Get:      fromDebian + "assimp-utils",
		Memory:   8 << 30,
	}
}

// Chromium is its headless shell: the program itself, for Debian's wrapper script leaves processes behind when it is killed.
func Chromium() Tool {
	return Tool{
		Name:     "Chromium",
		Programs: []string{"/usr/lib/chromium/chromium-headless-shell", "chrome-headless-shell"},
		Version:  []string{"--version"},
		Pattern:  `(?:Chromium|Chrome|HeadlessShell)\D* (\d+(?:\.\d+)+)`,
		Least:    "120",
		Get:      fromDebian + "chromium-headless-shell libegl1 libegl-mesa0 libgl1-mesa-dri",
	}
}

// Node is Node.js.
func Node() Tool {
	return Tool{
		Name:     "Node.js",
		Programs: []string{"node", "nodejs"},
		Version:  []string{"--version"},
		Pattern:  `^v(\d+\.\d+\.\d+)`,
		Least:    "18",
		Get:      fromDebian + "nodejs",
	}
}

// Blender is the Python of a venv that has Blender as a module, bpy.
func Blender() Tool {
	return Tool{
		Name:     "Blender",
		Programs: []string{"blender/bin/python"},
		Version:  wheelVersion("bpy"),
		Pattern:  `^(\d+\.\d+\.\d+)`,
		Least:    "4.5",
		Get:      fromTools,
		Memory:   16 << 30,
	}
}

// OpenUSD is the Python of a venv that has OpenUSD's modules, pxr.
func OpenUSD() Tool {
	return Tool{
		Name:     "OpenUSD",
		Programs: []string{"usd/bin/python"},
		Version:  wheelVersion("usd-core"),
		Pattern:  `^(\d+\.\d+)`,
		Least:    "26.11",
		Get:      fromTools,
		Memory:   8 << 30,
	}
}

// ONNXRuntime is the Python of a venv that has ONNX Runtime's module: of onnxruntime, or of onnxruntime-gpu, which has CUDA.
func ONNXRuntime() Tool {
	return Tool{
		Name:     "ONNX Runtime",
		Programs: []string{"onnxruntime-gpu/bin/python", "onnxruntime/bin/python"},
		Version: []string{"-I", "-c", "from importlib.metadata import packages_distributions as p, version\n" +
			"print(version(p()['onnxruntime'][0]))"},
		Pattern: `^(\d+\.\d+\.\d+)`,
		Least:   "1.20",
		Get:     fromTools,
		Memory:  8 << 30,
		CPU:     30 * time.Minute,
	}
}

// wheelVersion asks a venv for the version of a package. That reads a file and loads nothing of a gigabyte.
func wheelVersion(name string) []string {
	return []string{"-I", "-c", "from importlib.metadata import version; print(version('" + name + "'))"}
}

// FBX2glTF is the converter of that name.
func FBX2glTF() Tool {
	return Tool{
		Name:     "FBX2glTF",
		Programs: []string{"npm/node_modules/fbx2gltf/bin/Linux/FBX2glTF", "FBX2glTF"},
		Version:  []string{"--version"},
		Pattern:  `^FBX2glTF version (\d+\.\d+\.\d+)`,
		Least:    "0.9.7",
		Get:      fromTools,
		Memory:   8 << 30,
	}
}

// GLTFValidator is the npm package of Khronos' glTF-Validator: what Find returns is its module, for scripts to load.
func GLTFValidator() Tool {
	node := Node()
	return Tool{
		Name:     "glTF-Validator",
		Programs: []string{"npm/node_modules/gltf-validator/index.js"},
		Runner:   &node,
		Version:  []string{"-p", "require(require('path').join(process.argv[1], '..', 'package.json')).version"},
		Pattern:  `^(\d+\.\d+\.\d+\S*)`,
		Least:    "2.0.0",
		Get:      fromTools,
		Memory:   4 << 30,
	}
}

// Draco is the npm package of Google's Draco for glTF: what Find returns is its module, for scripts to load.
func Draco() Tool {
	node := Node()
	return Tool{
		Name:     "Draco",
		Programs: []string{"npm/node_modules/draco3dgltf/draco3dgltf.js"},
		Runner:   &node,
		Version:  []string{"-p", "require(require('path').join(process.argv[1], '..', 'package.json')).version"},
		Pattern:  `^(\d+\.\d+\.\d+)`,
		Least:    "1.5.7",
		Get:      fromTools,
		Memory:   4 << 30,
	}
}

// All returns the tools above, by name.
func All() []Tool {
	all := []Tool{Assimp(), Blender(), Chromium(), Draco(), FBX2glTF(), FFmpeg(), FFprobe(), GLTFValidator(), ImageMagick(), Node(), ONNXRuntime(), OpenUSD()}
	slices.SortFunc(all, func(a, b Tool) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return all
}
