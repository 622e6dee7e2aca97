package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
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

// findings are problems of one document, with its lines.
func findings(name string, doc []byte, problems []pipelines.Problem) []finding {
	found := make([]finding, 0, len(problems))
	for _, p := range problems {
		found = append(found, finding{name, p.Pos.Line, p.Pos.Column, p.Severity, p.Msg, sourceLine(doc, p.Pos.Line)})
	}
	return found
}

// sourceLine returns a line of a text, from 1; empty where there is none.
func sourceLine(text []byte, line int) string {
	for l := range bytes.Lines(text) {
		if line--; line == 0 {
			return strings.TrimRight(string(l), "\r\n")
		}
	}
	return ""
}

func printFindings(s *screen, found []finding) error {
	for _, f := range found {
		pos := pipelines.Pos{File: f.File, Line: f.Line, Column: f.Column}
		color, kind := red, ""
		if f.Severity != pipelines.SeverityError {
			color, kind = map[pipelines.Severity]string{pipelines.SeverityWarning: yellow, pipelines.SeverityNote: cyan}[f.Severity], string(f.Severity)+": "
		}
		if _, err := fmt.Fprintf(s, "%s: %s%s\n", s.paint(bold, pos.String()), s.paint(color, kind), plain(f.Message)); err != nil {
			return err
		}
		printSource(s, f.source, f.Column, color)
	}
	return nil
}

// longestSource is how much of a source line is shown, in characters.
const longestSource = 72

// printSource shows a line with a caret below the column, where a person looks.
func printSource(s *screen, source string, column int, color string) {
	if !s.terminal || strings.TrimSpace(source) == "" {
		return
	}
	text := []rune(source)
	at := min(max(column-1, 0), len(text))
	from := 0
	if at >= longestSource {
		from = at - longestSource/2
	}
	shown := plain(string(text[from:min(len(text), from+longestSource)]))
	pad := utf8.RuneCountInString(plain(string(text[from:at])))
	s.printf("    %s\n    %s%s\n", s.paint(faint, shown), strings.Repeat(" ", pad), s.paint(color, "^"))
}

// tellEnd tells how a run ended. What is wrong with the document is told as lint does: each problem on its own, on a
// terminal with the line.
func tellEnd(ctx context.Context, show *progress, s *screen, req *launch.Request, run *engine.Run) error {
	if show.json != nil || run.Failure == nil {
		show.end(run)
		return nil
	}
	given := pipelines.Given{State: req.Job.State, StateOrder: req.Job.StateOrder, Entry: req.Job.Entry}
	_, err := pipelines.ParseGiven(ctx, req.Source, req.Document, given)
	if bad, ok := errors.AsType[*pipelines.ParseError](err); ok && len(run.Tasks) == 0 && run.Failure.Message == bad.Error() {
		return printFindings(s, findings(req.Source, req.Document, bad.Problems))
	}
	show.end(run)
	rest, placed := strings.CutPrefix(run.Failure.Place, req.Source+":")
	if !placed || !strings.HasPrefix(run.Failure.Message, run.Failure.Place+": ") {
		return nil
	}
	var line, column int
	if _, err := fmt.Sscanf(rest, "%d:%d", &line, &column); err == nil {
		printSource(s, sourceLine(req.Document, line), column, red)
	}
	return nil
}

// tellError tells what is wrong with a document as lint does: each problem on its own, on a terminal with the line. Other
// errors are returned.
func tellError(s *screen, req *launch.Request, err error) error {
	bad, ok := errors.AsType[*pipelines.ParseError](err)
	if !ok {
		return err
	}
	if err := printFindings(s, findings(req.Source, req.Document, bad.Problems)); err != nil {
		return err
	}
	return &codeError{exitFailed, errSaid}
}

// tellWrong tells of problems, less the notes. One that is bound to fail is the command's outcome.
func tellWrong(s *screen, req *launch.Request, problems []pipelines.Problem) error {
	var said error
	told := []pipelines.Problem{}
	for _, p := range problems {
		if p.Severity == pipelines.SeverityError {
			said = &codeError{exitFailed, errSaid}
		}
		if p.Severity != pipelines.SeverityNote {
			told = append(told, p)
		}
	}
	if err := printFindings(s, findings(req.Source, req.Document, told)); err != nil {
		return err
	}
	return said
}
