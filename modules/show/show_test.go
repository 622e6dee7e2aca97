package show_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/show"
)

func TestTextInEachFormat(t *testing.T) {
	value := map[string]any{"a": []any{int64(1), "<x>"}, "b": nil}
	for _, tt := range []struct {
		name   string
		v      any
		format string
		want   string
	}{
		{"raw text is itself", "a\nb", show.Raw, "a\nb"},
		{"raw null", nil, show.Raw, "null"},
		{"raw values are one line", value, show.Raw, `{"a":[1,"<x>"],"b":null}`},
		{"json is indented", value, show.JSON, "{\n  \"a\": [\n    1,\n    \"<x>\"\n  ],\n  \"b\": null\n}"},
		{"json text is quoted", "a", show.JSON, `"a"`},
		{"yaml", value, show.YAML, "a:\n  - 1\n  - <x>\nb: null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := show.Text(tt.v, tt.format)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestAMessageWithMetadata(t *testing.T) {
	metadata := map[string]any{"n": int64(2), "list": []any{"a"}}
	for _, tt := range []struct {
		name string
		m    show.Message
		want string
	}{
		{"message alone", show.Message{Message: "hi", Format: show.Raw}, "hi"},
		{"empty message", show.Message{Message: "", Format: show.Raw}, ""},
		{"metadata alone", show.Message{Metadata: metadata, Format: show.Raw}, `list=["a"] n=2`},
		{"both, raw", show.Message{Message: "hi", Metadata: metadata, Format: show.Raw}, `hi list=["a"] n=2`},
		{"message in json", show.Message{Message: "hi", Format: show.JSON}, `"hi"`},
		{"both in yaml", show.Message{Message: "hi", Metadata: map[string]any{"parts": 1}, Format: show.YAML}, "message: hi\nmetadata:\n  parts: 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.m.Text()
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestLinesHaveNoEnds(t *testing.T) {
	require.Equal(t, []string{}, show.Lines(""))
	require.Equal(t, []string{"a", "", "b"}, show.Lines("a\r\n\nb\n"))
}
