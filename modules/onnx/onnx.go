// Package onnx knows the ONNX classifiers that a worker has: what each takes and gives, where its weights lie, and whether
// they are what its description says. It runs none of them.
package onnx

import (
	"embed"
	"path"
	"slices"
	"strings"
	"sync"
)

// MaxWeights is the largest model, in bytes: the file of a ResNet-50 has 98 MiB, of a ViT-B/16 330.
const MaxWeights = 512 << 20

// MaxDescription is the largest description, in bytes.
const MaxDescription = 1 << 20

// The file names of a model called NAME: its weights, and what they take and give.
const (
	WeightsExt     = ".onnx"
	DescriptionExt = ".yaml"
)

//go:embed models
var shipped embed.FS

// Shipped are the names of the models that are described here. Their weights the operator adds.
func Shipped() []string {
	var names []string
	files, _ := shipped.ReadDir("models") // it is there
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), DescriptionExt); ok {
			names = append(names, name)
		}
	}
	return names
}

// ShippedDescription returns the description of one of Shipped.
func ShippedDescription(name string) ([]byte, bool) {
	if !slices.Contains(Shipped(), name) {
		return nil, false
	}
	text, err := shipped.ReadFile(path.Join("models", name+DescriptionExt))
	return text, err == nil
}

// imagenet are the names of ImageNet's 1000 classes, in their usual order.
var imagenet = sync.OnceValue(func() []string {
	text, _ := shipped.ReadFile("models/imagenet.txt") // it is there
	var names []string
	for line := range strings.Lines(string(text)) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), ",")
		names = append(names, name)
	}
	return names
})

// CheckName says whether name can be a model's: letters, digits, dots, dashes and underscores, 64 at most.
func CheckName(name string) bool {
	return name != "" && len(name) <= 64 && name[0] != '.' && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}
