package document

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// proveYAML holds a text against the one that has a harmless word in place of each value.
func proveYAML(ctx context.Context, real, harmless string, spans []span) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	reals, err := trees(real)
	if err != nil {
		return &Error{Msg: "what it makes is no YAML: " + err.Error()}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	harmlesses, err := trees(harmless)
	if err != nil {
		return &Error{Msg: "what it makes is no YAML: " + err.Error()}
	}
	p := proof{beat: pulse{ctx: ctx}, spans: spans}
	if len(reals) != len(harmlesses) {
		return p.broken("")
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
	beat  pulse
	spans []span
}

// expand puts the values in the place of their words. alone is the span whose word is all of the text, or -1.
func (p *proof) expand(text string) (expanded string, alone int) {
	var b strings.Builder
	alone = -1
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "zq")
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		i, err := strconv.Atoi(after[:digits])
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), alone
		case err != nil || i >= len(p.spans) || p.spans[i].isText() || !strings.HasPrefix(after[digits:], "qz") || word(i) != "zq"+after[:digits]+"qz":
			b.WriteString("zq")
			rest = after
		default:
			b.WriteString(textOf(p.spans[i].value))
			rest = after[digits+2:]
			if word(i) == text {
				alone = i
			}
		}
	}
}

func (p *proof) compare(real, harmless *yaml.Node) error {
	if err := p.beat.beat(); err != nil {
		return err
	}
	if harmless.Kind == yaml.ScalarNode {
		want, alone := p.expand(harmless.Value)
		if alone >= 0 {
			if _, isText := p.spans[alone].value.(string); !isText {
				return p.compareValue(real, p.spans[alone])
			}
		}
		changed := want != harmless.Value
		if real.Kind != yaml.ScalarNode || real.Tag != harmless.Tag || real.Value != want || changed && ambiguous(real) {
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
	return p.unique(real, harmless)
}

// ambiguous says whether a plain scalar is text in one version of YAML and something else in another.
func ambiguous(n *yaml.Node) bool {
	return n.Style == 0 && !plainWord(n.Value) && otherwise(n.Value)
}

// otherwise says whether YAML 1.1 may read s as no text: a boolean, a number, also in base 60, or a time.
func otherwise(s string) bool {
	if !plainWord(s) && !strings.ContainsAny(s, " ") && s != "" && plainPart(s) {
		return !isLetter(s[0]) || strings.EqualFold(s, "null") || len(s) <= 5 && !strings.ContainsAny(s, ":@=+")
	}
	return false
}

// unique refuses a map in which a value has become the same key as another.
func (p *proof) unique(real, harmless *yaml.Node) error {
	if real.Kind != yaml.MappingNode {
		return nil
	}
	seen := map[string]int{}
	for i := 0; i < len(real.Content); i += 2 {
		key := real.Content[i]
		if key.Kind != yaml.ScalarNode {
			continue
		}
		first, twice := seen[key.Value]
		seen[key.Value] = i
		for _, at := range []int{first, i} {
			if name := harmless.Content[at].Value; twice && name != real.Content[at].Value {
				return p.about(name, "is the same key as another in its map: "+strconv.QuoteToASCII(clip(key.Value)))
			}
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

const noPlace = "can't stand here with what it holds; put double quotes around all of it, in a line of its own, and not in a block (| or >)"

// broken names the value in a scalar as written with words in their place, or none.
func (p *proof) broken(scalar string) error { return p.about(scalar, noPlace) }

func (p *proof) about(scalar, why string) error {
	for i, s := range p.spans {
		if !s.isText() && (strings.Contains(scalar, word(i)) || scalar == s.piece.text) {
			return s.piece.at.errorf("{{ %s }} %s", clip(s.piece.text), why)
		}
	}
	return &Error{Msg: "a value would change the structure of what it makes; put double quotes around each {{ }}"}
}
