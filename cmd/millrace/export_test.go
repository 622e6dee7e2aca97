package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
	"github.com/millrace/millrace/worker/route"
)

// Described is what `millrace jobs describe` shows of a record.
func Described(r *record.Record) string {
	var b strings.Builder
	describe(newScreen(&b), r)
	return b.String()
}

// Again is a buried message as `millrace dlq redrive` sends it.
func Again(b queue.Buried) (queue.Draft, error) { return again(b) }

// Routes are those of a file, as a worker has them.
func Routes(ctx context.Context, file string, log *slog.Logger) (func() *route.Rules, error) {
	return (&routesConfig{file}).openRoutes(ctx, &cloudConfig{}, newCatalogue(""), log)
}

// ConfigTable is the README's table of all that `millrace work` can be told, GatewayTable that of what the gateway can be besides.
func ConfigTable() string { return configTable(&workConfig{}, &logConfig{}) }

func GatewayTable() string {
	place := variables(&placeConfig{}, &logConfig{})
	return tableOf(slices.DeleteFunc(settings(&gatewayConfig{}), func(s setting) bool { return slices.Contains(place, s.Env) }))
}

func configTable(configs ...any) string {
	var all []setting
	for _, cfg := range configs {
		all = append(all, settings(cfg)...)
	}
	return tableOf(all)
}

func tableOf(all []setting) string {
	cell := strings.NewReplacer("|", `\|`).Replace
	var b strings.Builder
	b.WriteString("| Flag | Variable | Default | Meaning |\n| --- | --- | --- | --- |\n")
	for _, s := range all {
		flag, value := "`--"+s.Flag+"`", ""
		if s.Secret {
			flag = "none: a secret"
		}
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", flag, s.Env, value, cell(s.Doc))
	}
	return b.String()
}

// ShowMachine prints a passport as `millrace gpu` does.
func ShowMachine(w io.Writer, m gpu.Machine) { showMachine(newScreen(w), m) }

// WorkSettings is the variables of all that `millrace work` can be told, the others those of `millrace scaler` and `gateway`.
func WorkSettings() []string    { return variables(&workConfig{}, &logConfig{}) }
func ScalerSettings() []string  { return variables(&scalerConfig{}, &logConfig{}) }
func GatewaySettings() []string { return variables(&gatewayConfig{}, &logConfig{}) }

func variables(configs ...any) []string {
	var names []string
	for _, cfg := range configs {
		for _, s := range settings(cfg) {
			names = append(names, s.Env)
		}
	}
	return names
}

// CollectLate is what a child does with its garbage.
var CollectLate = collectLate
