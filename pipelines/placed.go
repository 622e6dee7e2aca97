package pipelines

import "github.com/millrace/millrace/pipelines/nunjucks"

// DecodePlaced is DecodeOrdered for a map, with the places of what is in it: of its keys and entries, by the rule of
// Pipeline.Positions ("tests[0].given.state").
func DecodePlaced(name string, doc []byte) (values map[string]any, order *nunjucks.Order, at map[string]Pos, err error) {
	p := parser{file: name}
	root := p.values(doc)
	if root != nil && root.kind != mapNode {
		p.errorf(root.pos, "the document must be a map, got %s", root.what())
	}
	if err := p.err(); err != nil {
		return nil, nil, nil, err
	}
	at = map[string]Pos{}
	values = make(map[string]any, len(root.fields))
	for _, f := range root.fields {
		f.value.places(f.key, f.pos, at)
		values[f.key] = f.value.any()
	}
	return values, root.order(), at, nil
}
