package gateway

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

func (g *Gateway) openAPIOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/v1/openapi.json", serve: g.serveOpenAPI,
		summary: "What this gateway serves, as OpenAPI 3.1",
		gives:   map[int]any{http.StatusOK: map[string]any{}},
	}}
}

func (g *Gateway) serveOpenAPI(c *call) error { return writeJSON(c.w, http.StatusOK, OpenAPI()) }

// OpenAPI describes all operations of a gateway as an OpenAPI 3.1 document.
func OpenAPI() map[string]any {
	s := schemas{}
	paths := map[string]map[string]any{}
	for _, o := range new(Gateway).operations() {
		path := strings.ReplaceAll(o.path, "...}", "}")
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(o.method)] = s.operation(o, path)
	}
	problem := s.of(reflect.TypeFor[Problem]())
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "Millrace gateway", "version": "v1", "license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "HTTP in, queue out: jobs, uploads and webhooks become messages, and what became of them can be read.",
		},
		"servers": []any{map[string]any{"url": "/"}},
		"paths":   paths,
		"components": map[string]any{
			"schemas": s,
			"securitySchemes": map[string]any{"key": map[string]any{
				"type": "http", "scheme": "bearer", "description": "A key that `millrace gateway key` has made. A gateway without keys, on this machine alone, asks for none.",
			}},
			"responses": map[string]any{"Problem": map[string]any{
				"description": "Why it was not done, as RFC 9457 has it. Retry-After, where it is there, says when to ask again.",
				"content":     map[string]any{"application/problem+json": map[string]any{"schema": problem}},
			}},
		},
	}
}

func (s schemas) operation(o operation, path string) map[string]any {
	out := map[string]any{
		"operationId": operationID(o.method, path), "summary": o.summary, "responses": s.responses(o), "security": []any{},
	}
	if o.about != "" {
		out["description"] = o.about
	}
	if o.scope != "" {
		out["security"] = []any{map[string]any{"key": []string{string(o.scope)}}}
	}
	if params := s.parameters(o, path); len(params) > 0 {
		out["parameters"] = params
	}
	if content := s.body(o); len(content) > 0 {
		out["requestBody"] = map[string]any{"required": true, "content": content}
	}
	return out
}

// body is what an operation's body may be, by its content type.
func (s schemas) body(o operation) map[string]any {
	content := anything(o.bodies)
	for _, kind := range o.takes {
		schema := map[string]any{}
		if o.body != nil && (strings.HasSuffix(kind, "/json") || len(o.takes) == 1) {
			schema = s.of(reflect.TypeOf(o.body))
		}
		content[kind] = map[string]any{"schema": schema}
	}
	return content
}

// anything is content of which the document says no more than its types.
func anything(kinds []string) map[string]any {
	content := map[string]any{}
	for _, kind := range kinds {
		schema := map[string]any{}
		switch {
		case kind == "multipart/form-data":
			schema["type"] = "object"
		case strings.HasPrefix(kind, "text/"):
			schema["type"] = "string"
		}
		content[kind] = map[string]any{"schema": schema}
	}
	return content
}

// operationID is a name like postV1Jobs.
func operationID(method, path string) string {
	id := strings.ToLower(method)
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return strings.ContainsRune("/{}.", r) }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

func (s schemas) parameters(o operation, path string) (all []any) {
	add := func(in string, p parameter, required bool) {
		all = append(all, map[string]any{
			"in": in, "name": p.name, "description": p.about, "required": required, "schema": s.of(reflect.TypeOf(p.example)),
		})
	}
	for rest := path; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		add("path", parameter{name, "of the path", ""}, true)
		rest = tail
	}
	for _, p := range o.query {
		add("query", p, false)
	}
	for _, p := range o.headers {
		add("header", p, false)
	}
	return all
}

func (s schemas) responses(o operation) map[string]any {
	all := map[string]any{
		"4XX": map[string]any{"$ref": "#/components/responses/Problem"},
		"5XX": map[string]any{"$ref": "#/components/responses/Problem"},
	}
	for _, status := range slices.Sorted(maps.Keys(o.gives)) {
		r := map[string]any{"description": http.StatusText(status)}
		switch example := o.gives[status]; {
		case example != nil:
			r["content"] = map[string]any{"application/json": map[string]any{"schema": s.of(reflect.TypeOf(example))}}
		case o.answers != nil && (status == http.StatusOK || status == http.StatusPartialContent):
			r["content"] = anything(o.answers)
		}
		all[strconv.Itoa(status)] = r
	}
	if len(o.gives) == 0 {
		all["2XX"] = map[string]any{"description": "It was done."}
	}
	return all
}

// schemas are the JSON Schemas of Go types, by the names that the document has them under.
type schemas map[string]any

// of is the schema of what encoding/json makes of a type.
func (s schemas) of(t reflect.Type) map[string]any {
	if plain := leaf(t); plain != nil {
		return plain
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.object(t)
	}
	return map[string]any{} // an interface may be anything
}

// leaf is the schema of a type that has no parts; nil is another.
func leaf(t reflect.Type) map[string]any {
	switch {
	case t.String() == "time.Time":
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage](), t.Implements(reflect.TypeFor[json.Marshaler]()), reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()):
		return map[string]any{} // it writes what it likes
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer"}
	}
	return nil
}

// object has a struct among the schemas, and refers to it there. One without a name is written where it stands.
func (s schemas) object(t reflect.Type) map[string]any {
	if t.Name() == "" {
		return s.fields(t)
	}
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if at := t.PkgPath(); !strings.HasSuffix(at, "/gateway") {
		name = at[strings.LastIndex(at, "/")+1:] + "." + name
	}
	if _, known := s[name]; !known {
		s[name] = map[string]any{} // for types that have themselves among their parts
		s[name] = s.fields(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

func (s schemas) fields(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	s.addFields(t, properties, &required)
	out := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		slices.Sort(required)
		out["required"] = required
	}
	return out
}

func (s schemas) addFields(t reflect.Type, properties map[string]any, required *[]string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-", !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			s.addFields(embedded, properties, required)
			continue
		case name == "":
			name = f.Name
		}
		schema := s.of(f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			schema["description"] = doc
		}
		properties[name] = schema
		if !strings.Contains(options, "omit") && f.Type.Kind() != reflect.Pointer {
			*required = append(*required, name)
		}
	}
}
