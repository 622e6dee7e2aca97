package preview

import "github.com/millrace/millrace/pipelines"

// A Param is what a job may or must give.
type Param struct {
	Name        string              `json:"name"`
	Type        pipelines.ParamType `json:"type"`
	Description string              `json:"description,omitzero"`
	Required    bool                `json:"required,omitzero"`
	Default     any                 `json:"default,omitempty"` // as the document has it
	Enum        []any               `json:"enum,omitempty"`
}

func (v *previewer) params() []Param {
	var all []Param
	for _, p := range v.pipeline.Params {
		enum, _ := v.shown(p.Enum).([]any)
		all = append(all, Param{p.Name, p.Type, v.secrets.String(p.Description), p.Required, v.shown(p.Default), enum})
	}
	return all
}

// settings are those that differ from what holds where nothing is said.
func settings(s pipelines.Settings) map[string]any {
	all := map[string]any{}
	if s.Retry > 0 {
		all["retry"] = s.Retry
	}
	if s.RetrySleep > 0 {
		all["retry_sleep"] = s.RetrySleep.Seconds()
	}
	if s.Timeout > 0 {
		all["timeout"] = s.Timeout.Seconds()
	}
	if s.Parallel > 0 {
		all["parallel"] = s.Parallel
	}
	if s.Strict {
		all["strict"] = true
	}
	return all
}
