// What the validator finds of Node.js where there is none: a queue of what is to run later, in the order it came.
var later = []
var setTimeout = run => later.push(run), setImmediate = setTimeout, setInterval = setTimeout, clearTimeout = () => {}
var process = {versions: {node: '20'}, argv: [], env: {}, platform: 'linux'}
var console = {log() {}, error() {}, warn() {}}
var require = () => ({}), __dirname = '/', __filename = '/validator.js'
var exports = {}, module = {exports}

// start begins the check; what comes of it will be in outcome.
var outcome = {}
function start(read, request) {
  const load = (uri, left) => {
    const got = read(uri, left)
    return typeof got === 'string' ? got : new Uint8Array(got)
  }
  check(module.exports, load, JSON.parse(request)).then(
    report => { outcome.report = report },
    error => { outcome.error = String(error) })
}

// next does what comes next, if there is something. What was promised is done before the caller goes on.
function next() {
  if (!later.length) return false
  later.shift()()
  return true
}
