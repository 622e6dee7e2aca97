package modules_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
)

// heavy is a task that knows beforehand what it will take.
type heavy struct {
	Pages int64  `json:"pages" default:"2" doc:"Pages."`
	Key   string `json:"key,omitzero" secret:"true" doc:"Key."`
	found string
}

// Validate makes heavy a modules.Validator.
func (h *heavy) Validate() error {
	if h.Pages < 0 {
		return errors.New("prop \"pages\" must be at least 0")
	}
	return nil
}

// Probe makes heavy a modules.Prober.
func (h *heavy) Probe(context.Context, *modules.Call) (modules.Demand, error) {
	h.found = "at the first look"
	return modules.Demand{Memory: h.Pages << 20}, nil
}

func TestAProbeSeesPropsThatHoldEveryRule(t *testing.T) {
	m := modules.Define(modules.Spec{Name: "Heavy", Summary: "Works hard."},
		func(context.Context, *modules.Call, heavy) (struct{}, error) { return struct{}{}, nil })
	var told []string
	c := &modules.Call{Secret: func(s string) { told = append(told, s) }}
	d, err := modules.Probe(t.Context(), m, c, map[string]any{"key": "hush"})
	require.NoError(t, err)
	require.Equal(t, modules.Demand{Memory: 2 << 20}, d.Demand)
	require.Equal(t, []string{"hush"}, told)
	d, err = modules.Probe(t.Context(), m, c, map[string]any{"pages": -1})
	require.NoError(t, err, "Run says what is wrong with props")
	require.Zero(t, d.Demand)
	_, err = d.Run(t.Context())
	require.ErrorContains(t, err, "at least 0")
}

func TestAModuleThatCantTellHasNoDemand(t *testing.T) {
	d, err := modules.Probe(t.Context(), capture(new(props)), &modules.Call{}, map[string]any{"src": "in"})
	require.NoError(t, err)
	require.Zero(t, d.Demand)
	_, err = d.Run(t.Context())
	require.NoError(t, err)
}

func TestWhatAProbeKeepsTheRunHas(t *testing.T) {
	type seen struct {
		Found string `json:"found" doc:"What was found."`
	}
	m := modules.Define(modules.Spec{Name: "Heavy", Summary: "Works hard."},
		func(_ context.Context, _ *modules.Call, h heavy) (seen, error) { return seen{h.found}, nil })
	c := &modules.Call{}
	w, err := modules.Probe(t.Context(), m, c, map[string]any{})
	require.NoError(t, err)
	out, err := w.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, "at the first look", out["found"])
	out, err = m.Run(t.Context(), c, map[string]any{})
	require.NoError(t, err)
	require.Empty(t, out["found"])
}
