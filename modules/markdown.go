package modules

import (
	"fmt"
	"strings"
)

// Markdown documents a module for people: what it does, an example, its props and its outputs.
func Markdown(s Spec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n", s.Name, s.Summary)
	if len(s.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso written %s.\n", codes(s.Aliases))
	}
	if needs := s.Needs(); needs != "" {
		fmt.Fprintf(&b, "\n%s\n", needs)
	}
	if s.Shell {
		b.WriteString("\nRuns programs of the pipeline author's choice; an operator may forbid it.\n")
	}
	if s.Example != "" {
		fmt.Fprintf(&b, "\n```yaml\n%s\n```\n", strings.TrimRight(s.Example, "\n"))
	}
	if len(s.Props) > 0 {
		b.WriteString("\n| Prop | Type | Default | Meaning |\n| --- | --- | --- | --- |\n")
		propRows(&b, "", s.Props)
	}
	if len(s.Outputs) > 0 {
		b.WriteString("\n| Output | Type | Meaning |\n| --- | --- | --- |\n")
		outputRows(&b, "", s.Outputs)
	}
	return b.String()
}

func propRows(b *strings.Builder, path string, fields []Field) {
	for _, f := range fields {
		at := join(path, f.Name)
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", at, typeCell(f), defaultCell(f), cell(docOf(f)))
		propRows(b, at, f.Fields)
	}
}

func outputRows(b *strings.Builder, path string, fields []Field) {
	for _, f := range fields {
		if f.Secret {
			continue
		}
		at := join(path, f.Name)
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", at, typeCell(f), cell(f.Doc))
		outputRows(b, at, f.Fields)
	}
}

func typeCell(f Field) string {
	if f.Elem != nil {
		return fmt.Sprintf("%s of %s", f.Type, f.Elem.Type)
	}
	return string(f.Type)
}

func defaultCell(f Field) string {
	switch {
	case f.Required:
		return "required"
	case f.Default != "":
		return "`" + cell(f.Default) + "`"
	}
	return ""
}

func docOf(f Field) string {
	doc := f.Doc
	enum := f.Enum
	if f.Elem != nil && f.Elem.Enum != nil {
		enum = f.Elem.Enum
	}
	if enum != nil {
		doc += " One of " + codes(enum) + "."
	}
	if f.Secret {
		doc += " Secret: never shown."
	}
	if len(f.Aliases) > 0 {
		doc += " Also written " + codes(f.Aliases) + "."
	}
	return doc
}

func codes(list []string) string { return "`" + strings.Join(list, "`, `") + "`" }

// cell keeps text from ending a table cell.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) }
