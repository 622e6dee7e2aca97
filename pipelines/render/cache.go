package render

import (
	"sync"

	"github.com/millrace/millrace/pipelines/nunjucks"
)

// Bounds of a Cache. A message may bring as many templates as it likes.
const (
	maxTemplates = 512      // of each kind; when full it starts again from empty
	maxKept      = 16 << 10 // bytes of one source; longer ones are parsed each time
)

// A Cache keeps parsed templates, so that a loop of jobs parses a pipeline's once. It is safe for concurrent use.
type Cache struct {
	env       *nunjucks.Env
	mu        sync.Mutex
	templates map[string]*template      // guarded by mu
	exprs     map[string]*nunjucks.Expr // guarded by mu
}

type template struct {
	tmpl *nunjucks.Template
	refs []nunjucks.Ref
}

// NewCache returns an empty cache. Its templates escape nothing, and a negative index counts from the end, which the
// seed's pipelines mean and JavaScript does not.
func NewCache() *Cache {
	return &Cache{
		env:       nunjucks.New(nunjucks.Config{NegativeIndex: true}),
		templates: map[string]*template{},
		exprs:     map[string]*nunjucks.Expr{},
	}
}

func (c *Cache) template(src string) (*template, error) {
	return kept(c, c.templates, src, func() (*template, error) {
		t, err := c.env.Parse("", src)
		if err != nil {
			return nil, err
		}
		return &template{t, t.Vars()}, nil
	})
}

func (c *Cache) expr(src string) (*nunjucks.Expr, error) {
	return kept(c, c.exprs, src, func() (*nunjucks.Expr, error) { return c.env.ParseExpr("", src) })
}

// kept returns what parse makes of src, from one of c's maps where it is there.
func kept[T any](c *Cache, from map[string]T, src string, parse func() (T, error)) (T, error) {
	c.mu.Lock()
	t, ok := from[src]
	c.mu.Unlock()
	if ok {
		return t, nil
	}
	t, err := parse()
	if err != nil || len(src) > maxKept {
		return t, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(from) >= maxTemplates {
		clear(from)
	}
	from[src] = t
	return t, nil
}
