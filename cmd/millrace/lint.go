package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipelines"
)

// A finding is one problem of one document. Its JSON form is a line of `millrace lint --json`.
type finding struct {
	File     string             `json:"file"`
	Line     int                `json:"line,omitzero"` // from 1; 0 is the whole file
	Column   int                `json:"column,omitzero"`
	Severity pipelines.Severity `json:"severity"`
	Message  string             `json:"message"`
	source   string             // the line itself
}

func newLintCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lint FILE…",
		Short: "Say everything that is wrong with pipelines, without running them",
		Long: `Reads pipelines and says everything that is wrong with them: what keeps them from
being read, unknown modules and props, values of the wrong type, templates that
don't parse, variables and outputs that nothing defines. - is stdin.

Exit codes: 0 there are no errors, warnings at most · 1 there are errors, or a
file is unreadable · 2 the command line is wrong.`,
		Args: args(cobra.MinimumNArgs(1)),
	}
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list of problems")
	cmd.RunE = func(c *cobra.Command, files []string) error {
		o, err := lintOptions()
		if err != nil {
			return err
		}
		found := []finding{}
		var unread []error
		for _, file := range files {
			name, doc, err := readDocument(c.InOrStdin(), file)
			if err != nil {
				unread = append(unread, err)
				continue
			}
			found = append(found, lint(name, doc, o)...)
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), found)
		} else {
			err = printFindings(newScreen(c.OutOrStdout()), found)
		}
		if err = errors.Join(append(unread, err)...); err != nil {
			return err
		}
		return concludeLint(c.ErrOrStderr(), found, len(files))
	}
	return cmd
}

// lintOptions is what this binary's modules allow.
func lintOptions() (pipelines.LintOptions, error) {
	mods, cbs, err := registries()
	return pipelines.LintOptions{Modules: mods, Callbacks: cbs, Planned: planned}, err
}

// readDocument reads a file; "-" is stdin.
func readDocument(stdin io.Reader, file string) (name string, doc []byte, err error) {
	if file == "-" {
		doc, err = io.ReadAll(stdin)
		return "stdin", doc, err
	}
	path := strings.TrimPrefix(file, "file://")
	doc, err = os.ReadFile(path)
	return path, doc, err
}

// lint returns what is wrong with one document, in the order of its text.
func lint(name string, doc []byte, o pipelines.LintOptions) []finding {
	problems := pipelines.Check(name, doc, o)
	lines := strings.Split(string(doc), "\n")
	found := make([]finding, 0, len(problems))
	for _, p := range problems {
		f := finding{name, p.Pos.Line, p.Pos.Column, p.Severity, p.Msg, ""}
		if n := p.Pos.Line; n > 0 && n <= len(lines) {
			f.source = strings.TrimSuffix(lines[n-1], "\r")
		}
		found = append(found, f)
	}
	return found
}

func printFindings(s *screen, found []finding) error {
	for _, f := range found {
		pos := pipelines.Pos{File: f.File, Line: f.Line, Column: f.Column}
		color, kind := red, ""
		if f.Severity == pipelines.SeverityWarning {
			color, kind = yellow, "warning: "
		}
		if _, err := fmt.Fprintf(s, "%s: %s%s\n", s.paint(bold, pos.String()), s.paint(color, kind), plain(f.Message)); err != nil {
			return err
		}
		if s.terminal && strings.TrimSpace(f.source) != "" {
			printSource(s, f, color)
		}
	}
	return nil
}

// longestSource is how much of a source line is shown, in characters.
const longestSource = 72

// printSource shows the line with a caret below the place.
func printSource(s *screen, f finding, color string) {
	text := []rune(f.source)
	at := min(max(f.Column-1, 0), len(text))
	from := 0
	if at >= longestSource {
		from = at - longestSource/2
	}
	shown := plain(string(text[from:min(len(text), from+longestSource)]))
	pad := utf8.RuneCountInString(plain(string(text[from:at])))
	s.printf("    %s\n    %s%s\n", s.paint(faint, shown), strings.Repeat(" ", pad), s.paint(color, "^"))
}

// concludeLint counts on w, and makes errors the command's outcome.
func concludeLint(w io.Writer, found []finding, files int) error {
	errs := 0
	for _, f := range found {
		if f.Severity == pipelines.SeverityError {
			errs++
		}
	}
	fmt.Fprintf(w, "%s: %s, %s\n", count(files, "file"), count(errs, "error"), count(len(found)-errs, "warning"))
	if errs > 0 {
		return &codeError{exitFailed, errSaid}
	}
	return nil
}
