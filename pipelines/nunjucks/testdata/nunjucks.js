// Renders templates with real Nunjucks: node nunjucks.js FOLDER-OF-THE-PACKAGE. Standard input is one JSON object a
// line. The first holds the files that templates name, {"files": {name: source}}, and is answered with what Nunjucks
// knows, {"filters": [], "tests": [], "globals": []}. Each other one is {"src", "vars", "autoescape",
// "throwOnUndefined"} and is answered with {"out"} or {"err"}, or with {"guarded": true} where the template asks for so
// much that Node would hang; {"src", "vars", "times"} is answered with {"cached", "uncached"}, seconds for each render.
'use strict'
const nunjucks = require(process.argv[2])
const path = require('path')
const readline = require('readline')

const many = 10000
class Guarded extends Error {}
let guarded = false
function guard(f) {
  return function (...args) {
    if (args.some(a => typeof a !== 'string' && Number(a) > many)) {
      guarded = true
      throw new Guarded('too many')
    }
    return f.apply(this, args)
  }
}
for (const name of ['repeat', 'padStart', 'padEnd']) String.prototype[name] = guard(String.prototype[name])

let files = {}
class Files extends nunjucks.Loader {
  getSource(name) {
    return name in files ? { src: files[name], path: name, noCache: false } : null
  }

  resolve(from, to) {
    return path.join(path.dirname(from), to)
  }
}
const environments = {}
function environment(autoescape, throwOnUndefined) {
  const key = `${autoescape} ${throwOnUndefined}`
  if (!environments[key]) {
    const env = new nunjucks.Environment(new Files(), { autoescape, throwOnUndefined })
    for (const name of ['center', 'indent', 'slice', 'batch']) env.filters[name] = guard(env.filters[name])
    const range = env.globals.range
    env.globals.range = (start, stop, step) => {
      const [from, to] = stop === undefined ? [0, start] : [start, stop]
      if (Math.abs((to - from) / (step || 1)) > many) {
        guarded = true
        throw new Guarded('too many')
      }
      return range(start, stop, step)
    }
    environments[key] = env
  }
  return environments[key]
}

function seconds(times, f) {
  for (let i = 0; i < times / 10; i++) f()
  const start = process.hrtime.bigint()
  for (let i = 0; i < times; i++) f()
  return Number(process.hrtime.bigint() - start) / 1e9 / times
}

function answer(request) {
  if (request.files) {
    files = request.files
    const env = new nunjucks.Environment(new Files())
    return { filters: Object.keys(env.filters), tests: Object.keys(env.tests), globals: Object.keys(env.globals) }
  }
  const env = environment(!!request.autoescape, !!request.throwOnUndefined)
  if (request.times) {
    const compiled = new nunjucks.Template(request.src, env)
    return {
      cached: seconds(request.times, () => compiled.render(request.vars)),
      uncached: seconds(request.times / 10, () => env.renderString(request.src, request.vars)),
    }
  }
  guarded = false
  try {
    const out = env.renderString(request.src, request.vars)
    return guarded ? { guarded } : { out: String(out) }
  } catch (e) {
    return guarded ? { guarded } : { err: String(e.message) }
  }
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + '\n')
})
