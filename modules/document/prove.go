package document

import (
	"errors"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// proveYAML holds a text against the one that has a harmless word in place of each value.
func proveYAML(real, harmless string, spans []span) error {
	reals, err := trees(real)
	if err != nil {
		return &Error{Msg: "what it makes is no YAML: " + err.Error()}
	}
	harmlesses, err := trees(harmless)
	if err != nil {
		return &Error{Msg: "what it makes is no YAML: " + err.Error()}
	}
	p := proof{}
	var pairs []string
	for i, s := range spans {
		if !s.isText() {
			p.values = append(p.values, s)
			p.words = append(p.words, word(i))
			pairs = append(pairs, word(i), textOf(s.value))
		}
	}
	p.expand = strings.NewReplacer(pairs...)
	if len(reals) != len(harmlesses) {
		return p.broken()
	}
	for i := range reals {
		if err := p.compare(reals[i], harmlesses[i]); err != nil {
			return err
		}
	}
	return nil
}

// trees reads all documents of a text.
func trees(text string) ([]*yaml.Node, error) {
	var all []*yaml.Node
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, &n)
	}
}

type proof struct {
	values []span
	words  []string // of values
	expand *strings.Replacer
}

func (p *proof) compare(real, harmless *yaml.Node) error {
	if harmless.Kind == yaml.ScalarNode {
		if i := slices.Index(p.words, harmless.Value); i >= 0 {
			if _, isText := p.values[i].value.(string); !isText {
				return p.compareValue(real, p.values[i])
			}
		}
		if real.Kind != yaml.ScalarNode || real.Tag != harmless.Tag || real.Value != p.expand.Replace(harmless.Value) {
			return p.broken(harmless.Value)
		}
	}
	if real.Kind != harmless.Kind || real.Tag != harmless.Tag || real.Anchor != harmless.Anchor || len(real.Content) != len(harmless.Content) {
		return p.broken(harmless.Value)
	}
	for i := range real.Content {
		if err := p.compare(real.Content[i], harmless.Content[i]); err != nil {
			return err
		}
	}
	return nil
}

// compareValue finds a value that is no text, alone where its word stood: as itself, or in quotes.
func (p *proof) compareValue(n *yaml.Node, s span) error {
	if n.Kind == yaml.ScalarNode && n.Value == textOf(s.value) || s.value == nil && n.Tag == "!!null" {
		return nil
	}
	var v any
	if n.Kind == yaml.ScalarNode || n.Decode(&v) != nil {
		return p.broken(s.piece.text)
	}
	v, _, err := plain(v)
	if err != nil || jsonOf(v) != jsonOf(s.value) {
		return p.broken(s.piece.text)
	}
	return nil
}

// broken names the values in a scalar as written with words in their place, or all of them.
func (p *proof) broken(scalars ...string) error {
	for i, w := range p.words {
		for _, scalar := range scalars {
			if strings.Contains(scalar, w) || scalar == p.values[i].piece.text {
				return p.values[i].piece.at.errorf("{{ %s }} can't stand here with what it holds; put double quotes around all of it, in a line of its own",
					clip(p.values[i].piece.text))
			}
		}
	}
	return &Error{Msg: "a value would change the structure of what it makes; put double quotes around each {{ }}"}
}
