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
type Cache struct{ usual, strict *templates }

// NewCache returns an empty cache.
func NewCache() *Cache { return &Cache{usual: newTemplates(false), strict: newTemplates(true)} }

// templates are those of one Language.
type templates struct {
	env   *nunjucks.Env
	mu    sync.Mutex
	texts map[string]*template      // guarded by mu
	exprs map[string]*nunjucks.Expr // guarded by mu
}

type template struct {
	tmpl *nunjucks.Template
	refs []nunjucks.Ref
}

func newTemplates(strict bool) *templates {
	return &templates{env: Language(strict), texts: map[string]*template{}, exprs: map[string]*nunjucks.Expr{}}
}

func (c *templates) template(src string) (*template, error) {
	return kept(c, c.texts, src, func() (*template, error) {
		t, err := c.env.Parse("", src)
		if err != nil {
			return nil, err
		}
		return &template{t, t.Vars()}, nil
	})
}

func (c *templates) expr(src string) (*nunjucks.Expr, error) {
	return kept(c, c.exprs, src, func() (*nunjucks.Expr, error) { return c.env.ParseExpr("", src) })
}

// kept returns what parse makes of src, from one of c's maps where it is there.
func kept[T any](c *templates, from map[string]T, src string, parse func() (T, error)) (T, error) {
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
