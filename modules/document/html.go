package document

import (
	"context"
	"html"
	"slices"
	"strings"
	"unicode"
)

// writeHTML writes each value with entities, in text and in attributes that mean nothing but text. Elsewhere a value has
// no safe form.
func writeHTML(ctx context.Context, spans []span) (string, error) {
	var b strings.Builder
	m := markup{}
	beat := pulse{ctx: ctx}
	var value piece // the last
	for _, s := range spans {
		if err := beat.beat(); err != nil {
			return "", err
		}
		if s.isText() {
			for _, c := range []byte(s.piece.text) {
				if m.read(c); m.badLink {
					return "", value.at.errorf("{{ %s }} is part of a link that begins neither with http:, https: or mailto:, nor with a path", clip(value.text))
				}
			}
			b.WriteString(s.piece.text)
			continue
		}
		if value = s.piece; m.state != inText || m.unsure != "" {
			if why := m.refuse(s.value); why != "" {
				return "", value.at.errorf("{{ %s }} %s", clip(value.text), why)
			}
		}
		text := html.EscapeString(strings.Map(printable, textOf(s.value)))
		if m.state == inDouble || m.state == inSingle {
			m.soFar = append(m.soFar, text...)
			m.filled = true
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// printable keeps characters that XML can hold.
func printable(r rune) rune {
	if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
		return unicode.ReplacementChar
	}
	return r
}

// refuse says why v can't stand here.
func (m *markup) refuse(v any) string {
	switch {
	case m.unsure != "":
		return "stands after " + m.unsure + ", which HTML and XML read in different ways"
	case m.state == inTitle:
		return ""
	case m.state == inDouble || m.state == inSingle:
		return m.refuseAttr(v)
	case m.state == inComment || m.state == inDeclaration:
		return "stands in a comment or declaration, where no value is safe"
	case m.state == inRaw:
		return "stands in a " + m.tag + " element, where no value is safe"
	}
	return "stands within a tag; values belong into text, or between the quotes of an attribute"
}

// Attributes in which any text is nothing but text.
var plainAttrs = []string{
	"abbr", "alt", "class", "colspan", "coords", "datetime", "dir", "for", "headers", "height", "hreflang", "id", "label", "lang",
	"name", "placeholder", "role", "rowspan", "scope", "span", "start", "summary", "title", "value", "width",
}

// Attributes that lead somewhere, and tags that would run or take over what they lead to.
var (
	linkAttrs = []string{"href", "src", "poster", "cite", "longdesc"}
	runTags   = []string{
		"script", "iframe", "frame", "object", "embed", "applet", "base", "link", "use", "animate", "animatemotion",
		"animatetransform", "set", "discard", "feimage", "style", "meta", "param", "include", "import", "portal",
	}
)

func (m *markup) refuseAttr(v any) string {
	prefix, local, has := strings.Cut(m.attr, ":")
	if !has {
		prefix, local = "", m.attr
	}
	switch {
	case strings.HasPrefix(local, "on"), local == "srcdoc", strings.ContainsAny(m.attr, "@#([{.*"), has && nameLen(prefix) != max(1, len(prefix)):
		return "stands in the attribute " + m.attr + ", which is a program"
	case !mayBeText(v):
		return "" // a number does nothing
	case local == "style":
		return "stands in a style, where numbers are safe and text is not"
	case slices.Contains(linkAttrs, local) && !slices.Contains(runTags, localName(m.tag)):
		return "" // judged where it ends
	case has && prefix != "xml", slices.Contains(runTags, localName(m.tag)):
	case slices.Contains(plainAttrs, local), strings.HasPrefix(local, "aria-"):
		return ""
	case strings.HasPrefix(local, "data-"):
		first, _, _ := strings.Cut(local[len("data-"):], "-")
		if !slices.Contains([]string{"ng", "hx", "v", "x", "on", "bind", "action", "turbo"}, first) {
			return ""
		}
	}
	return "is a text in the attribute " + m.attr + " of a tag " + m.tag + ", where only numbers are known to be safe; texts may stand in href, src, data-…, aria-…, " + strings.Join(plainAttrs, ", ")
}

// mayBeText says whether a value may hold more than a number or a boolean.
func mayBeText(v any) bool {
	switch v.(type) {
	case bool, int64, float64, decimal:
		return false
	}
	return true
}

// localName is a tag's name without its namespace.
func localName(tag string) string { return tag[strings.LastIndexByte(tag, ':')+1:] }

// harmlessLink judges a whole link as a browser reads it.
func harmlessLink(attr string) bool {
	link := strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, html.UnescapeString(attr))
	link = strings.TrimLeftFunc(link, func(r rune) bool {
		return r <= ' ' || unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar
	})
	scheme, _, has := strings.Cut(link, ":")
	if !has || strings.ContainsAny(scheme, "/?#\\") {
		return true
	}
	return slices.Contains([]string{"http", "https", "mailto"}, strings.ToLower(scheme))
}

// isPicture says whether a link is a PNG or a JPEG itself: of these a browser makes pixels and nothing else.
func isPicture(link string) bool {
	kind, data, ok := strings.Cut(link, ";base64,")
	return ok && (kind == "data:image/png" || kind == "data:image/jpeg") && !strings.ContainsFunc(data, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' || r == '=')
	})
}
