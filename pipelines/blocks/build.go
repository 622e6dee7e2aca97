package blocks

import (
	"slices"
	"strings"
)

// A part is a stretch of text, or a block: for, if, or set.
type part struct {
	from, to int      // of text
	value    bool     // the text is a scalar that starts with a tag
	branches []branch // of a for (its body, its else) and an if
	set      *set
}

// A branch is one of the texts that a block chooses from.
type branch struct {
	id    int // from 0, in the document
	tag   *tag
	names []string // of a loop's variables
	body  []part
}

type set struct {
	tag   *tag
	names []string
}

// cut settles what is taken out with each tag. Tags that have a line to themselves take the line; beside text, a dash
// takes the blanks on its side, line ends too.
func cut(src string, tags []*tag) {
	for i := 0; i < len(tags); {
		n := i + 1
		for n < len(tags) && !tags[i].value && !tags[n].value && strings.Trim(src[tags[n-1].end:tags[n].start], " \t") == "" {
			n++
		}
		row := tags[i:n]
		first, last := row[0], row[len(row)-1]
		begin := strings.LastIndexByte(src[:first.start], '\n') + 1
		rest, _, _ := strings.Cut(src[last.end:], "\n")
		for _, t := range row {
			t.from, t.to = t.start, t.end
		}
		if !first.value && blank(src[begin:first.start]) && blank(rest) {
			for _, t := range row {
				t.alone = true
			}
			first.from = begin
			last.to = min(last.end+len(rest)+1, len(src))
			for j := range row[1:] {
				row[j].to = row[j+1].start
			}
		}
		i = n
	}
	for i, t := range tags {
		before, after := 0, len(src)
		if i > 0 {
			before = tags[i-1].to
		}
		if i+1 < len(tags) {
			after = tags[i+1].start
		}
		if t.left && !t.alone {
			t.from = max(before, len(strings.TrimRight(src[:t.start], spaces)))
		}
		if t.right && !t.alone {
			t.to = len(src) - len(strings.TrimLeft(src[t.end:], spaces))
			t.to = min(t.to, after)
		}
	}
}

// A builder puts tags and the text between them into a tree.
type builder struct {
	src      string
	tags     []*tag
	next     int // of tags
	at       int // in src, behind what is built
	branches int
	depth    int
}

func (b *builder) build() ([]part, error) {
	parts, end, err := b.until()
	if err != nil {
		return nil, err
	}
	if end != nil {
		return nil, wrong(end.start, "{%% %s %%} closes nothing that is open here; remove it, or look for its beginning inside a value", end.name)
	}
	return parts, nil
}

// until builds up to a tag that ends or divides a block, which it returns; nil is the end of the source.
func (b *builder) until() (parts []part, end *tag, err error) {
	for b.next < len(b.tags) {
		t := b.tags[b.next]
		b.next++
		if b.at < t.from {
			parts = append(parts, part{from: b.at, to: t.from})
		}
		b.at = t.to
		if t.value {
			parts = append(parts, part{from: t.start, to: t.end, value: true})
			continue
		}
		var p part
		switch t.name {
		case "#":
			continue
		case "else", "elif", "elseif", "endif", "endfor":
			return parts, t, nil
		case "for":
			p, err = b.loop(t)
		case "if":
			p, err = b.choice(t)
		case "set":
			p, err = b.assign(t)
		default:
			err = unsupported(t)
		}
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, p)
	}
	if b.at < len(b.src) {
		parts = append(parts, part{from: b.at, to: len(b.src)})
		b.at = len(b.src)
	}
	return parts, nil, nil
}

func unsupported(t *tag) error {
	if t.name == "" {
		return wrong(t.start, "this tag has no name; between values there are for, if, set and comments")
	}
	return wrong(t.start, "{%% %s %%} can't stand between values, where there are for, if, set and comments; inside a value it can", t.name)
}

// branch builds what follows an opening or dividing tag.
func (b *builder) branch(t *tag, names ...string) (br branch, end *tag, err error) {
	if b.depth++; b.depth > maxNesting {
		return br, nil, wrong(t.start, "blocks are nested more than %d deep; flatten them", maxNesting)
	}
	defer func() { b.depth-- }()
	br = branch{id: b.branches, tag: t, names: names}
	b.branches++
	br.body, end, err = b.until()
	return br, end, err
}

// loop builds {% for names in items %} … {% else %} … {% endfor %}.
func (b *builder) loop(t *tag) (part, error) {
	in := keyword(t.args, "in")
	if in < 0 {
		in = len(t.args)
	}
	names, fine := identifiers(t.args[:in])
	if !fine || blank(t.args[min(in+2, len(t.args)):]) {
		return part{}, wrong(t.start, "a loop is written {%% for name in list %%} or {%% for key, value in map %%}")
	}
	t.argsAt += in + 2
	t.args = t.args[in+2:]
	var p part
	br, end, err := b.branch(t, names...)
	p.branches = append(p.branches, br)
	if err == nil && end != nil && end.name == "else" {
		br, end, err = b.branch(end)
		p.branches = append(p.branches, br)
	}
	return p, b.closed(t, end, "endfor", err)
}

// choice builds {% if a %} … {% elif b %} … {% else %} … {% endif %}.
func (b *builder) choice(t *tag) (part, error) {
	var p part
	end := t
	for {
		if end.name != "else" && blank(end.args) {
			return p, wrong(end.start, "{%% %s %%} needs a condition", end.name)
		}
		last := end.name == "else"
		br, next, err := b.branch(end)
		p.branches = append(p.branches, br)
		if err != nil || next == nil || last || !slices.Contains([]string{"elif", "elseif", "else"}, next.name) {
			return p, b.closed(t, next, "endif", err)
		}
		end = next
	}
}

// closed says that the block that t opened has ended with the right tag.
func (b *builder) closed(t, end *tag, with string, err error) error {
	switch {
	case err != nil:
		return err
	case end == nil:
		return wrong(t.start, "{%% %s %%} is never closed; add {%% %s %%}, on a line of its own that is indented like this one", t.name, with)
	case end.name != with:
		line := 1 + strings.Count(b.src[:t.start], "\n")
		return wrong(end.start, "{%% %s %%} stands in the {%% %s %%} of line %d, which ends with {%% %s %%}", end.name, t.name, line, with)
	}
	return nil
}

func (b *builder) assign(t *tag) (part, error) {
	left, value, ok := strings.Cut(t.args, "=")
	names, fine := identifiers(left)
	if !ok || !fine || blank(value) {
		return part{}, wrong(t.start, "between values, set is written {%% set name = value %%}")
	}
	t.argsAt += len(left) + 1
	t.args = value
	return part{set: &set{t, names}}, nil
}

// keyword returns where a word stands between blanks; -1 is nowhere.
func keyword(s, word string) int {
	for at := 1; ; at++ {
		i := strings.Index(s[min(at, len(s)):], word)
		if i < 0 {
			return -1
		}
		at += i
		end := at + len(word)
		if strings.IndexByte(spaces, s[at-1]) >= 0 && end < len(s) && strings.IndexByte(spaces, s[end]) >= 0 {
			return at
		}
	}
}

// identifiers reads "key, value".
func identifiers(s string) (names []string, ok bool) {
	for name := range strings.SplitSeq(s, ",") {
		name = strings.Trim(name, spaces)
		for i, c := range name {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return nil, false
			}
		}
		if name == "" {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}
