// check runs the validator over what the request names, and promises its report as JSON. read returns a file as a Uint8Array,
// or in a string why it can't: the file to check of null, what it refers to of a URI; left is how many bytes it may have. Node.js
// runs this, and goja where there is none.
function check(validator, read, request) {
  const options = Object.assign({}, request.options)
  let left = request.maxBytes // of all that is read, and a file counts as often as it is
  const load = uri => new Promise((resolve, reject) => {
    const got = read(uri, left)
    if (typeof got === 'string') return reject(got)
    left -= got.length
    resolve(got)
  })
  if (!request.alone) options.externalResourceFunction = load
  return load(null).then(data => validator.validateBytes(data, options)).then(JSON.stringify)
}
