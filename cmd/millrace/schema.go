package main

import (
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/standard"
	"github.com/millrace/millrace/pipelines/schema"
)

func newSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a pipeline, for editors",
		Long: `Prints the JSON Schema (draft 7) of a pipeline with all modules of this binary, so
that an editor completes and checks pipelines while they are written. Keep it
beside them, and name it in their first line:

  # yaml-language-server: $schema=pipeline.schema.json

It can't say all that millrace lint says: variables, outputs and templates are
lint's.`,
		Example: "  millrace schema > pipeline.schema.json",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			mods, cbs, err := registries()
			if err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), schema.Document(schema.Options{
				Modules: mods, Callbacks: cbs, PlannedModules: standard.PlannedNames(), PlannedCallbacks: callbacks.PlannedNames(),
			}))
		},
	}
}
