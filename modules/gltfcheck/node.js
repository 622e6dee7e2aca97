// The request comes on standard input; the report goes to standard output, once it is whole.
const fs = require('fs'), path = require('path')
const request = JSON.parse(fs.readFileSync(0, 'utf8'))

// read is check.js's. What a URI names must be a regular file below the request's root, wherever links lead.
function read(uri, left) {
  const outside = 'it is outside of ' + request.rootName
  let real
  try {
    let name = request.file
    if (uri !== null) {
      if (/^[a-z][a-z0-9+.-]*:/i.test(uri) || uri.startsWith('//')) return outside
      name = path.resolve(path.dirname(request.file), decodeURIComponent(uri.replace(/[?#].*$/, '')))
    }
    real = fs.realpathSync(name)
  } catch {
    return 'there is no such file'
  }
  if (uri !== null && !real.startsWith(request.root.replace(/\/*$/, '/'))) return outside
  const stat = fs.statSync(real)
  if (!stat.isFile()) return 'it is not a regular file'
  if (stat.size > left) return `it is larger than the ${left} bytes that may still be read`
  return new Uint8Array(fs.readFileSync(real))
}

check(require(process.argv[1]), read, request).then(
  report => process.stdout.write(report),
  error => {
    console.error(String(error))
    process.exitCode = 1
  })
