// Package standard lists the modules that a task can name.
package standard

import (
	"slices"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/assetconverter"
	"github.com/millrace/millrace/modules/cloudstorage"
	"github.com/millrace/millrace/modules/cos"
	"github.com/millrace/millrace/modules/curl"
	"github.com/millrace/millrace/modules/debug"
	"github.com/millrace/millrace/modules/fbx2gltf"
	"github.com/millrace/millrace/modules/ffmpeg"
	"github.com/millrace/millrace/modules/findasset"
	"github.com/millrace/millrace/modules/glbhtmlembed"
	"github.com/millrace/millrace/modules/gltfvalidator"
	"github.com/millrace/millrace/modules/httpcall"
	"github.com/millrace/millrace/modules/imageinfer"
	"github.com/millrace/millrace/modules/imagemagick"
	"github.com/millrace/millrace/modules/kafka"
	"github.com/millrace/millrace/modules/meshoptimizer"
	"github.com/millrace/millrace/modules/now"
	"github.com/millrace/millrace/modules/renderer"
	"github.com/millrace/millrace/modules/s3"
	"github.com/millrace/millrace/modules/screenshot"
	"github.com/millrace/millrace/modules/shell"
	"github.com/millrace/millrace/modules/sqs"
	"github.com/millrace/millrace/modules/stat"
	"github.com/millrace/millrace/modules/stderr"
	"github.com/millrace/millrace/modules/stdout"
	"github.com/millrace/millrace/modules/stl2obj"
	"github.com/millrace/millrace/modules/template"
	"github.com/millrace/millrace/modules/unzip"
	"github.com/millrace/millrace/modules/usdchecker"
	"github.com/millrace/millrace/modules/viewermigration"
	"github.com/millrace/millrace/modules/zip"
)

// Modules returns them all; a registry is made of it. A new module is one line here.
func Modules() []modules.Module {
	return []modules.Module{
		assetconverter.Module,
		cloudstorage.Module,
		cos.Module,
		curl.Module,
		debug.Module,
		fbx2gltf.Module,
		ffmpeg.Module,
		findasset.Module,
		gltfvalidator.Module,
		glbhtmlembed.Module,
		httpcall.Module,
		imageinfer.Module,
		imagemagick.Module,
		kafka.Module,
		meshoptimizer.Module,
		now.Module,
		renderer.Module,
		s3.Module,
		screenshot.Module,
		shell.Module,
		sqs.Module,
		stat.Module,
		stderr.Module,
		stdout.Module,
		stl2obj.Module,
		template.Module,
		unzip.Module,
		usdchecker.Module,
		viewermigration.Module,
		zip.Module,
	}
}

// Planned says whether name is one of PlannedNames.
func Planned(name string) bool { return slices.Contains(PlannedNames(), name) }

// PlannedNames are modules that older pipelines use and this version does not have.
func PlannedNames() []string {
	return []string{
		"VntanaGatherDetails",
		"VntanaMetrics",
		"VntanaModelData",
	}
}
