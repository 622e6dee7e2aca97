package main

import (
	"bytes"
	"cmp"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// bindLog gives cmd the flags --debug and --logger and returns what makes the log they ask for, and names its form.
func bindLog(cmd *cobra.Command) func(w io.Writer) (log *slog.Logger, form string, err error) {
	var cfg logConfig
	load := bind(cmd, &cfg)
	return func(w io.Writer) (*slog.Logger, string, error) {
		if err := load(); err != nil {
			return nil, "", err
		}
		return cfg.logger(w), cfg.Logger, nil
	}
}

type logConfig struct {
	Debug  bool   `flag:"debug" default:"false" doc:"log every step"`
	Logger string `flag:"logger" default:"stdout" doc:"form of the log: color, json, stdout"`
}

func (c *logConfig) complete(from func(string) string) []error {
	if modes := []string{"color", "json", "stdout"}; !slices.Contains(modes, c.Logger) {
		return []error{usage("%s: %q is none of %s", from("logger"), c.Logger, strings.Join(modes, ", "))}
	}
	return nil
}

func (c logConfig) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.Debug {
		o.Level = slog.LevelDebug
	}
	switch c.Logger {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o))
	case "color":
		return slog.New(slog.NewTextHandler(&levelPainter{w}, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// A levelPainter gives the level of each line of a text log its color. Each Write is one line, as slog's handlers write.
type levelPainter struct{ io.Writer }

func (p *levelPainter) Write(line []byte) (int, error) {
	n := len(line)
	const key = "level="
	if at := bytes.Index(line, []byte(key)); at >= 0 { // the time alone stands before it
		at += len(key)
		level, _, _ := strings.Cut(string(line[at:]), " ")
		color := cmp.Or(map[string]string{"DEBUG": faint, "WARN": yellow, "ERROR": red}[level], green)
		painted := (&screen{colors: true}).paint(color, level)
		line = slices.Concat(line[:at], []byte(painted), line[at+len(level):])
	}
	_, err := p.Writer.Write(line)
	return n, err
}
