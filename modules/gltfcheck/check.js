// check runs the validator over what the request names, and promises its report as JSON. read returns a file of the
// request's folder as a Uint8Array, or throws. Node.js runs this, and goja where there is none.
function check(validator, read, request) {
  const options = Object.assign({}, request.options)
  options.externalResourceFunction = uri => new Promise(resolve => resolve(read(uri)))
  return validator.validateBytes(read(null), options).then(JSON.stringify)
}
