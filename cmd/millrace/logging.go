package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// bindLog gives cmd the flags --debug and --logger and returns what makes the log they ask for.
func bindLog(cmd *cobra.Command) func(w io.Writer) (*slog.Logger, error) {
	var cfg logConfig
	load := bind(cmd, &cfg)
	return func(w io.Writer) (*slog.Logger, error) {
		if err := load(); err != nil {
			return nil, err
		}
		return cfg.logger(w)
	}
}

type logConfig struct {
	Debug  bool   `flag:"debug" default:"false" doc:"log every step"`
	Logger string `flag:"logger" default:"stdout" doc:"form of the log: color, json, stdout"`
}

func (c logConfig) logger(w io.Writer) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.Debug {
		o.Level = slog.LevelDebug
	}
	switch c.Logger {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case "color", "stdout":
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return nil, usage("--logger: %q is none of color, json, stdout", c.Logger)
}
