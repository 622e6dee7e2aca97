package record_test

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

var update = flag.Bool("update", false, "rewrite record.schema.json")

// enums are the closed lists that a string type stands for.
var enums = map[reflect.Type][]any{
	reflect.TypeFor[record.Status](): {
		record.Queued, record.Running, record.Retrying, record.Succeeded, record.Failed, record.Dead, record.Cancelled,
	},
	reflect.TypeFor[record.Phase]():           {record.PhasePending, record.PhaseRunning, record.PhaseSucceeded, record.PhaseFailed},
	reflect.TypeFor[record.ProcessingState](): {record.Waiting, record.Executing, record.Complete},
	reflect.TypeFor[record.AttemptStatus](): {
		record.AttemptRunning, record.AttemptSucceeded, record.AttemptFailed, record.AttemptInterrupted,
		record.AttemptDied, record.AttemptCanceled,
	},
}

// schemaOf is the JSON Schema of what encoding/json makes of a type.
func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "integer", "description": "nanoseconds"}
	case enums[t] != nil:
		return map[string]any{"type": "string", "enum": enums[t]}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object"}
	case reflect.Struct:
		return objectOf(t)
	default:
		panic("no schema for " + t.String())
	}
}

func objectOf(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = schemaOf(f.Type)
		if options == "" {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}

func TestTheSchemaIsThatOfTheRecord(t *testing.T) {
	schema := schemaOf(reflect.TypeFor[record.Record]())
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "The record of a Millrace job"
	got, err := json.MarshalIndent(schema, "", "  ")
	require.NoError(t, err)
	got = append(got, '\n')
	if *update {
		require.NoError(t, os.WriteFile("record.schema.json", got, 0o644))
	}
	want, err := os.ReadFile("record.schema.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go test ./worker/record -update and review the difference")
}
