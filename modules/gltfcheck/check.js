// check runs the validator over what the request names, and promises its report as JSON. read returns a file as a Uint8Array,
// or in a string why it can't: the file to check of null, what it refers to of a URI. Node.js runs this, and goja where there
// is none.
function check(validator, read, request) {
  const options = Object.assign({}, request.options)
  const load = uri => new Promise((resolve, reject) => {
    const got = read(uri)
    typeof got === 'string' ? reject(got) : resolve(got)
  })
  if (!request.alone) options.externalResourceFunction = load
  return load(null).then(data => validator.validateBytes(data, options)).then(JSON.stringify)
}
