// The request comes on standard input; the report goes to standard output, once it is whole.
const fs = require('fs'), path = require('path')
const request = JSON.parse(fs.readFileSync(0, 'utf8'))

// read returns the file, or what a URI in it names: a regular file below the request's root, wherever links lead.
function read(uri) {
  let name = request.file
  if (uri !== null) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(uri) || uri.startsWith('//')) throw new Error('it is not in the workspace')
    name = path.resolve(path.dirname(request.file), decodeURIComponent(uri.replace(/[?#].*$/, '')))
  }
  const real = fs.realpathSync(name)
  if (uri !== null && !real.startsWith(request.root.replace(/\/*$/, '/'))) throw new Error('it is not in the workspace')
  const stat = fs.statSync(real)
  if (!stat.isFile()) throw new Error('it is not a regular file')
  if (stat.size > request.maxBytes) throw new Error('it is larger than ' + request.maxBytes + ' bytes')
  return new Uint8Array(fs.readFileSync(real))
}

check(require(process.argv[1]), read, request).then(
  report => process.stdout.write(report),
  error => {
    console.error(String(error))
    process.exitCode = 1
  })
