package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/lint"
)

const lintLong = `Reads pipelines and says everything that is wrong with them: what keeps them from
being read, unknown modules and props, values of the wrong type, templates that
don't parse, variables and outputs that nothing defines, tasks that may run at the
same time and need each other, comparisons that nothing can meet. - is stdin; of a
folder, all pipelines in it are read, but not those in folders below, nor tests
(hello.test.yaml) and schemas (pipeline.schema.json).

An error is bound to fail; a warning may do something else than was meant; a note
says what is good to know. With --json the answer is one list of objects: file,
line and column (from 1, absent where it is the whole file), severity (error,
warning, note) and message, in the order of the text.

Exit codes: 0 nothing is as bad as --fail-on says · 1 something is, or a file is
unreadable · 2 the command line is wrong.`

func newLintCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "lint FILE|FOLDER…",
		Short:   "Say everything that is wrong with pipelines, without running them",
		Long:    lintLong,
		Example: "  millrace lint job.yaml\n  millrace lint --fail-on warning pipelines/",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list of problems")
	failOn := cmd.Flags().String("fail-on", string(pipelines.SeverityError), "what ends with exit code 1: error or warning")
	cmd.RunE = func(c *cobra.Command, files []string) error {
		bad := pipelines.Severity(*failOn)
		if bad != pipelines.SeverityError && bad != pipelines.SeverityWarning {
			return usage("--fail-on: %q is neither error nor warning", *failOn)
		}
		o, err := lintOptions()
		if err != nil {
			return err
		}
		files, unread := inFolders(files)
		found := []finding{}
		for _, file := range files {
			name, doc, err := readDocument(c.InOrStdin(), file)
			if err != nil {
				unread = append(unread, notRead{file, err})
				continue
			}
			found = append(found, lintDocument(name, doc, o)...)
		}
		for _, u := range unread {
			found = append(found, finding{File: u.file, Severity: pipelines.SeverityError, Message: plainPath(u.err).Error()})
			if !*asJSON {
				fmt.Fprintln(c.ErrOrStderr(), "millrace:", u.err)
			}
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), found)
		} else {
			err = printFindings(newScreen(c.OutOrStdout()), found[:len(found)-len(unread)])
		}
		if err != nil {
			return err
		}
		if len(unread) > 0 && len(found) == len(unread) && len(files) <= len(unread) {
			return &codeError{exitFailed, errSaid} // nothing was read, and that is said
		}
		return concludeLint(c.ErrOrStderr(), found, len(files), bad)
	}
	return cmd
}

// A notRead is a file or folder that was named, and why it can't be linted.
type notRead struct {
	file string
	err  error
}

// inFolders puts the pipelines in a folder in its place.
func inFolders(names []string) (files []string, unread []notRead) {
	for _, name := range names {
		entries, err := os.ReadDir(strings.TrimPrefix(name, "file://"))
		if err != nil {
			files = append(files, name) // a file, or what reading it says
			continue
		}
		before := len(files)
		for _, e := range entries {
			if pipelines.IsDocument(e.Name()) && !e.IsDir() {
				files = append(files, filepath.Join(strings.TrimPrefix(name, "file://"), e.Name()))
			}
		}
		if len(files) == before {
			unread = append(unread, notRead{name, fmt.Errorf("there is no pipeline in %s: they end in .yaml, .yml or .json", name)})
		}
	}
	return files, unread
}

// lintOptions is what this binary's modules allow.
func lintOptions() (lint.Options, error) {
	mods, cbs, err := registries()
	return lint.Options{Modules: mods, Callbacks: cbs, Planned: planned}, err
}

// readDocument reads a file; "-" is stdin.
func readDocument(stdin io.Reader, file string) (name string, doc []byte, err error) {
	if file == "-" {
		doc, err = pipelines.ReadBounded(stdin)
		return "stdin", doc, err
	}
	path := strings.TrimPrefix(file, "file://")
	doc, err = readFile(path)
	return path, doc, err
}

// readFile reads a file of a person's, or as much of it as shows that it is too large to be a document.
func readFile(path string) ([]byte, error) {
	text, _, err := pipelines.ReadDocument(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s", path)
	}
	return text, err
}

// lintDocument returns what is wrong with one document, in the order of its text.
func lintDocument(name string, doc []byte, o lint.Options) []finding {
	return findings(name, doc, lint.Document(name, doc, o))
}

// withData is p with what a job gives in the place of the document's state. It is data: there is nothing in it to check.
func withData(p *pipelines.Pipeline, data map[string]any) *pipelines.Pipeline {
	given := *p
	given.State = maps.Clone(p.State)
	for k := range data {
		if _, own := given.State[k]; own {
			given.State[k] = nil
		}
	}
	return &given
}

// concludeLint counts on w, and makes what is as bad as bad the command's outcome.
func concludeLint(w io.Writer, found []finding, files int, bad pipelines.Severity) error {
	n := map[pipelines.Severity]int{}
	for _, f := range found {
		n[f.Severity]++
	}
	errs, warnings := n[pipelines.SeverityError], n[pipelines.SeverityWarning]
	fmt.Fprintf(w, "%s: %s, %s", count(files, "file"), count(errs, "error"), count(warnings, "warning"))
	if notes := n[pipelines.SeverityNote]; notes > 0 {
		fmt.Fprintf(w, ", %s", count(notes, "note"))
	}
	fmt.Fprintln(w)
	if errs > 0 || bad == pipelines.SeverityWarning && warnings > 0 {
		return &codeError{exitFailed, errSaid}
	}
	return nil
}
