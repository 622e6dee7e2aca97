// Package callbacks lists the modules that a callback can name.
package callbacks

import (
	"slices"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/debug"
	"github.com/millrace/millrace/modules/httpcall"
	"github.com/millrace/millrace/modules/kafka"
	"github.com/millrace/millrace/modules/now"
	"github.com/millrace/millrace/modules/sqs"
	"github.com/millrace/millrace/modules/stderr"
	"github.com/millrace/millrace/modules/stdout"
)

// Modules returns them all; a registry is made of it.
func Modules() []modules.Module {
	return []modules.Module{
		debug.Module,
		httpcall.Callback,
		kafka.Module,
		now.Module,
		sqs.Module,
		stderr.Module,
		stdout.Module,
	}
}

// Planned says whether name is one of PlannedNames.
func Planned(name string) bool { return slices.Contains(PlannedNames(), name) }

// PlannedNames are callback modules that are known but not built into this version.
func PlannedNames() []string { return []string{"VntanaGoogleMetrics"} }
