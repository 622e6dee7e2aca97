package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build is what this binary was made of. Its JSON form is `millrace version --json`.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitzero"` // empty when it was built outside a checkout, or without its stamp
	Modified bool   `json:"modified,omitzero"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func newVersionCmd(version string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show what this binary was built from",
		Args:  args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "as JSON")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		b := thisBuild(version)
		if *asJSON {
			return printJSON(c.OutOrStdout(), b)
		}
		commit := b.Commit
		if commit != "" {
			commit = " commit " + commit
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "millrace %s%s %s %s/%s\n", b.Version, commit, b.Go, b.OS, b.Arch)
		return err
	}
	return cmd
}

func thisBuild(version string) build {
	b := build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	made, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range made.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// printJSON writes v, indented, for programs and people.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
