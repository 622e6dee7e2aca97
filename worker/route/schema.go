package route

import (
	"github.com/millrace/millrace/pipelines"
)

// Schema is the JSON Schema (draft 7) of a table, for editors: every key with its meaning. What rules are to each other it can't
// say.
func Schema() map[string]any {
	return map[string]any{
		"$schema":    "http://json-schema.org/draft-07/schema#",
		"title":      "Millrace routes",
		"type":       "object",
		"properties": map[string]any{"routes": map[string]any{"type": "array", "minItems": 1, "maxItems": maxRules, "items": ruleSchema(), "description": "Asked in order: the first one that takes an upload makes its job."}},
		"required":   []any{"routes"}, "additionalProperties": false,
	}
}

func ruleSchema() map[string]any {
	properties := map[string]any{}
	for _, part := range []map[string]any{matchSchema(), makeSchema(), jobSchema()} {
		for key, schema := range part {
			properties[key] = schema
		}
	}
	return map[string]any{
		"type": "object", "properties": properties, "required": []any{"name", "pipeline"}, "additionalProperties": false,
	}
}

func matchSchema() map[string]any {
	return map[string]any{
		"name":        about(map[string]any{"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 64}, "In logs, and part of what its jobs' IDs are made of."),
		"description": about(text(), "For people."),
		"bucket":      about(textOrTexts(), "Buckets whose uploads it takes, by name or glob (uploads-*); any where it is left out."),
		"prefix":      about(text(), "What the key begins with."),
		"suffixes":    about(textOrTexts(), "What the key ends in: one of them. Case counts, unless ignore_case is true."),
		"ignore_case": about(map[string]any{"type": "boolean", "default": false}, "Suffixes are met in upper and lower case."),
		"regex":       about(text(), "RE2, anywhere in the key. What its named groups find is in groups, for templates."),
		"events":      about(textOrTexts(), "created, deleted, restored, other, or events as their source calls them (ObjectCreated:*). Without it: created."),
		"sources":     about(map[string]any{"type": []any{"array", "string"}, "items": map[string]any{"enum": anyOf(knownSources())}, "minItems": 1, "uniqueItems": true}, "Who tells of the upload; any where it is left out."),
		"min_size":    about(sizeSchema(), "Bytes that the object has at least."),
		"max_size":    about(sizeSchema(), "Bytes that the object has at most."),
		"outputs_of":  about(textOrTexts(), "Other routes whose results it takes too. Without it results are taken by no route."),
	}
}

func makeSchema() map[string]any {
	return map[string]any{
		"state":    about(map[string]any{"type": []any{"object", "null"}}, "State of the job, as templates over bucket, key, name, stem, extension, directory, size, groups and others."),
		"customer": about(text(), "Whose the job is: its ID begins with it. A template."),
		"output": about(map[string]any{
			"type": []any{"object", "null"}, "additionalProperties": false,
			"properties": map[string]any{
				"prefix":   about(map[string]any{"type": "string", "default": defaultPrefix}, "Folder of the results, stagingOutputPrefix in the state. A template."),
				"name":     about(map[string]any{"type": "string", "default": defaultName}, "Name of the results, without their extension, outputStem in the state. A template that begins with text of its own."),
				"suffixes": about(textOrTexts(), "What the results end in; anything where it is left out."),
			},
		}, "Where the pipeline puts its results. What lies there and is called so is taken by no route."),
	}
}

func jobSchema() map[string]any {
	duration := map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	return map[string]any{
		"pipeline":     about(text(), "Name of a pipeline of the catalogue."),
		"version":      about(map[string]any{"type": "string", "pattern": "^sha256:[0-9a-fA-F]{64}$"}, "Digest that the pipeline must have."),
		"entry":        about(text(), "Which of the pipeline's entries."),
		"callback":     about(map[string]any{"type": "object", "properties": map[string]any{"url": map[string]any{"type": "string", "format": "uri"}}, "required": []any{"url"}, "additionalProperties": false}, "Where the job's outcome is posted."),
		"deadline":     about(duration, "Of the job, such as 20m."),
		"max_attempts": about(map[string]any{"type": "integer", "minimum": 1, "maximum": 20}, "Tries before the job is given up."),
		"priority":     about(map[string]any{"type": "integer", "minimum": 0, "maximum": 9}, "For people."),
		"requires":     about(map[string]any{"type": []any{"object", "array"}, "maxProperties": pipelines.MaxLabels}, "Labels that a worker must have; class names the class of worker."),
		"class":        about(text(), "The class of worker, in short for requires: {class: …}."),
		"keep_outputs": about(duration, "How long the job's outputs are kept, such as 36h."),
		"debug":        about(map[string]any{"type": "boolean"}, "The job says more."),
		"dry_run":      about(map[string]any{"type": "boolean"}, "The job is checked and recorded, not run."),
	}
}

func about(schema map[string]any, doc string) map[string]any {
	schema["description"] = doc
	return schema
}

func text() map[string]any { return map[string]any{"type": "string"} }

func textOrTexts() map[string]any {
	return map[string]any{"type": []any{"string", "array"}, "items": text(), "minItems": 1, "maxItems": maxWords, "uniqueItems": true, "minLength": 1}
}

func sizeSchema() map[string]any {
	return map[string]any{"type": []any{"integer", "string"}, "minimum": 0, "pattern": "^[0-9]+([KMGT]i)?$"}
}

func anyOf(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}
