// Package schema writes the JSON Schema of a pipeline document, for editors.
package schema

import (
	"slices"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines"
)

// Options is what the schema of a document offers.
type Options struct {
	Modules, Callbacks               *modules.Registry
	PlannedModules, PlannedCallbacks []string // names that a later version has: allowed, with any props
}

// Document is the JSON Schema (draft 7) of a pipeline document, for editors: every key with its meaning, every module with
// its props. What it can't say is lint's: variables, outputs, templates, order. A document that is YAML only after its
// {% %} blocks are expanded has no schema.
//
// Draft 7 is what editors' YAML servers read best. The keys of theirs that are in no draft (markdownDescription,
// deprecationMessage, doNotSuggest, patternErrorMessage) mean nothing to a validator.
func Document(o Options) map[string]any {
	definitions := map[string]any{}
	tasks := moduleSchemas(definitions, "module", o.Modules, o.PlannedModules)
	callbacks := moduleSchemas(definitions, "callback", o.Callbacks, o.PlannedCallbacks)
	definitions["task"] = taskSchema(tasks)
	definitions["callback"] = callbackSchema(callbacks)
	definitions["param"] = paramSchema()
	definitions["entry"] = entrySchema()
	definitions["duration"] = durationSchema()
	return map[string]any{
		"$schema":              "http://json-schema.org/draft-07/schema#",
		"title":                "Millrace pipeline",
		"type":                 "object",
		"properties":           documentProperties(callbacks),
		"additionalProperties": false,
		"anyOf":                []any{requires("tasks"), requires("entries")},
		"definitions":          definitions,
	}
}

func documentProperties(callbacks moduleChoice) map[string]any {
	return map[string]any{
		"name":        documented(scalarSchema(), "For people; without it the file's name."),
		"description": documented(scalarSchema(), "For people."),
		"state":       documented(orNothing("object"), "Variables. Values may be templates over each other, in any order."),
		"tasks":       tasksSchema(),
		"callbacks":   eventsSchema(pipelines.PipelineEvents, "Event → list of callbacks, of the whole run."),
		"plugins": documented(map[string]any{
			"type": []any{"array", "null"}, "items": map[string]any{"enum": callbacks.plugins},
		}, "Callback modules that every event of the run and of its tasks runs."),
		"settings": settingsSchema(),
		"deadline": documented(ref("duration"), "Of the whole run. A bare number is seconds."),
		"requires": documented(map[string]any{
			"type": []any{"object", "null"}, "additionalProperties": map[string]any{"type": []any{"string", "number", "boolean"}},
		}, "Labels that a worker must have to run it; class names the class of worker. What a job requires itself goes before."),
		"params": documented(map[string]any{
			"type": []any{"object", "null"}, "additionalProperties": ref("param"),
		}, "What a job may or must give in its state, checked before any work."),
		"entries": documented(map[string]any{
			"type": []any{"object", "null"}, "additionalProperties": ref("entry"),
		}, "Other task lists, of which a job selects one."),
	}
}

func settingsSchema() map[string]any {
	retry := func(doc string) map[string]any { return documented(retrySchema(), doc) }
	pause := func(doc string) map[string]any { return documented(ref("duration"), doc) }
	return documented(map[string]any{
		"type": []any{"object", "null"},
		"properties": map[string]any{
			"retry":              retry("Further tries of a task that failed."),
			"global_retry":       retry("The same as retry."),
			"retry_sleep":        pause("Pause between tries. A bare number is seconds."),
			"global_retry_sleep": pause("The same as retry_sleep."),
			"timeout":            pause("Of each try of a task. A bare number is seconds."),
			"parallel": documented(map[string]any{"type": "integer", "minimum": 1, "maximum": pipelines.MaxParallel, "default": pipelines.DefaultParallel},
				"How many tasks may work at once where their order leaves it open."),
			"strict": documented(orNothing("boolean"), "A negative index is undefined in templates, as in JavaScript, and does not count from the end."),
		},
		"additionalProperties": false,
	}, "Defaults of all tasks.")
}

func tasksSchema() map[string]any {
	return documented(map[string]any{"type": []any{"array", "null"}, "items": ref("task"), "maxItems": pipelines.MaxTasks},
		"What is done. A task waits for the one before it, unless it says after.")
}

func taskSchema(module moduleChoice) map[string]any {
	schema := module.schema(map[string]any{
		"id":          documented(scalarSchema(), "What after calls this task; without one, its name."),
		"name":        documented(scalarSchema(), "For people. It may be a template."),
		"after":       afterSchema("Tasks that must have ended before: a name, or a list of names. [] is none, and the task starts at once."),
		"depends_on":  older(afterSchema("The same as after."), "after"),
		"dependsOn":   older(afterSchema("The same as after."), "after"),
		"when":        documented(scalarSchema(), "An expression without braces. Where it is false or undefined the task is skipped."),
		"register":    registerSchema(),
		"throw":       documented(orNothing("boolean"), "false: a failure becomes a warning, and the run goes on."),
		"retry":       documented(retrySchema(), "Further tries after one that failed."),
		"retry_sleep": documented(ref("duration"), "Pause between tries. A bare number is seconds."),
		"timeout":     documented(ref("duration"), "Of each try. A bare number is seconds."),
		"gpu":         gpuSchema(),
		"callbacks":   eventsSchema(pipelines.TaskEvents, "Event → list of callbacks, of this task."),
	}, "What the module is told: rendered when the task runs, then checked.")
	return schema
}

func callbackSchema(module moduleChoice) map[string]any {
	return module.schema(map[string]any{}, "What the module is told: rendered when the event happens.")
}

func registerSchema() map[string]any {
	return documented(map[string]any{
		"type": []any{"string", "null"}, "pattern": `^[A-Za-z_$][A-Za-z0-9_$]*$`,
		"patternErrorMessage": "Use letters, digits and _, not a digit first.",
	}, "The variable that gets the module's output.")
}

func afterSchema(doc string) map[string]any {
	text := []any{"string", "number", "null"}
	return documented(map[string]any{"type": append(text, "array"), "items": map[string]any{"type": text}}, doc)
}

func gpuSchema() map[string]any {
	uses := texts(gpu.Required, gpu.Preferred, gpu.None)
	return documented(map[string]any{"anyOf": []any{
		map[string]any{"type": []any{"boolean", "null"}},
		map[string]any{"type": "integer", "minimum": 0},
		map[string]any{"enum": uses},
		map[string]any{
			"type": "object",
			"properties": map[string]any{
				"use":        documented(map[string]any{"enum": uses, "default": "required"}, "How much: preferred runs on the CPU where none is to be had."),
				"count":      documented(map[string]any{"type": "integer", "minimum": 1, "default": 1}, "How many."),
				"memory":     documented(map[string]any{"type": []any{"string", "integer"}}, "Of each: bytes, or text such as 16Gi."),
				"capability": documented(map[string]any{"type": []any{"string", "number"}}, "Lowest CUDA compute capability, \"8.0\"."),
				"encoder":    documented(map[string]any{"type": "boolean"}, "It must be able to encode video (NVENC)."),
			},
			"additionalProperties": false,
		},
	}}, "What the task needs of GPUs: required (or true), preferred, none, a number, or a map. Nothing is what its module needs.")
}

func paramSchema() map[string]any {
	return map[string]any{
		"type": []any{"object", "null"},
		"properties": map[string]any{
			"type": documented(map[string]any{"enum": slices.Concat(
				texts(pipelines.ParamAny, pipelines.ParamString, pipelines.ParamNumber, pipelines.ParamInteger, pipelines.ParamBoolean, pipelines.ParamList, pipelines.ParamMap),
				[]any{"array", "object", "bool", "int", "float", "str"},
			)}, "What the value must be."),
			"description": documented(scalarSchema(), "For people."),
			"required":    documented(orNothing("boolean"), "A job must give it."),
			"unless": documented(map[string]any{
				"type": []any{"string", "array", "null"}, "items": map[string]any{"type": "string"},
			}, "Other params, of which one stands in for a required one."),
			"default": documented(map[string]any{}, "Where the job gives none. It may be a template."),
			"enum":    documented(map[string]any{"type": []any{"array", "null"}}, "The values allowed."),
		},
		"additionalProperties": false,
	}
}

func entrySchema() map[string]any {
	return map[string]any{
		"type": "object",
		"properties": map[string]any{
			"description": documented(scalarSchema(), "For people."),
			"requires": documented(map[string]any{
				"type": []any{"object", "null"}, "additionalProperties": map[string]any{"type": []any{"string", "number", "boolean"}},
			}, "Labels that a worker must have to run it; class names the class of worker. What a job requires itself goes before."),
			"params": documented(map[string]any{
				"type": []any{"object", "null"}, "additionalProperties": ref("param"),
			}, "Besides those of the document."),
			"tasks": tasksSchema(),
		},
		"required":             []any{"tasks"},
		"additionalProperties": false,
	}
}

func durationSchema() map[string]any {
	return map[string]any{
		"type": []any{"number", "string"}, "minimum": 0, "pattern": `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)`,
		"patternErrorMessage": "Write a number of seconds, or a duration such as 90s or 20m.",
	}
}

func retrySchema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 0, "maximum": pipelines.MaxRetry}
}

func eventsSchema(events []pipelines.Event, doc string) map[string]any {
	properties := map[string]any{}
	for _, on := range events {
		properties[string(on)] = map[string]any{"type": []any{"array", "null"}, "items": ref("callback")}
	}
	return documented(map[string]any{"type": []any{"object", "null"}, "properties": properties, "additionalProperties": false}, doc)
}

// texts are constants as a schema lists them.
func texts[T ~string](list ...T) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}
