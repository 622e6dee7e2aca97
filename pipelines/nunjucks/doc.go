// Package nunjucks is the template language of pipelines: Mozilla's Nunjucks, spoken exactly, without its host API.
// Text goes to text (Template.Render), one expression goes to a value (Template.Value, Expr.Eval). It knows nothing of
// pipelines.
//
// Values behave as in JavaScript, because Nunjucks' do: one kind of number (a float64, so integers are exact up to
// 2^53), strings measured in UTF-16 units, undefined beside null, operators with JavaScript's precedence and coercions.
// What a template may call is a closed list per type; there are no prototypes, constructors or Go methods to reach.
//
// Left out: the async tags (asyncEach, asyncAll, ifAsync) and custom tags. Maps keep the order of the template that
// wrote them. Go's have none: an Ordered brings it with it, and other maps are walked by sorted key.
//
// Everything a template does is counted (Limits), so the worst one ends with a named error. Inside, an error travels
// as a panic of *Error from where it is found to the exported method, which returns it.
package nunjucks
