package pipelines

import "github.com/millrace/millrace/pipelines/nunjucks"

// DecodePlaced is DecodeOrdered for a map, with the places of its keys and entries ("tests[0].given.state").
func DecodePlaced(name string, doc []byte) (values map[string]any, order *nunjucks.Order, at Positions, err error) {
	p := parser{file: name}
	root := p.values(doc)
	if root != nil && root.kind != mapNode {
		p.Errorf(root.pos, "the document must be a map, got %s", root.what())
	}
	if err := p.err(); err != nil {
		return nil, nil, nil, err
	}
	at = Positions{}
	values = make(map[string]any, len(root.fields))
	for _, f := range root.fields {
		f.value.places(f.key, f.pos, at)
		values[f.key] = f.value.any()
	}
	return values, root.order(), at, nil
}
