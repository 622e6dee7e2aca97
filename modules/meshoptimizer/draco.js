// Packs or unpacks the geometry of a GLB with Draco: node -e THIS draco3dgltf.js decode|encode FROM TO
const fs = require('fs')
const [, library, verb, from, to] = process.argv
const DRACO = 'KHR_draco_mesh_compression'
const arrays = { 5120: Int8Array, 5121: Uint8Array, 5122: Int16Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array }
const types = { 5120: 'DT_INT8', 5121: 'DT_UINT8', 5122: 'DT_INT16', 5123: 'DT_UINT16', 5125: 'DT_UINT32', 5126: 'DT_FLOAT32' }
const adders = { 5120: 'AddInt8Attribute', 5121: 'AddUInt8Attribute', 5122: 'AddInt16Attribute', 5123: 'AddUInt16Attribute', 5125: 'AddUInt32Attribute', 5126: 'AddFloatAttribute' }
const sizes = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 }
const bits = { POSITION: 14, NORMAL: 10, COLOR: 8, TEX_COORD: 12, GENERIC: 12 }

const file = fs.readFileSync(from)
const text = file.readUInt32LE(12)
const doc = JSON.parse(file.subarray(20, 20 + text))
const bin = file.subarray(28 + text)
const parts = [bin]
let length = bin.length

function addView (bytes, more) {
  doc.bufferViews.push({ buffer: 0, byteOffset: length, byteLength: bytes.length, ...more })
  parts.push(bytes, Buffer.alloc(-bytes.length & 3))
  length += bytes.length + (-bytes.length & 3)
  return doc.bufferViews.length - 1
}

function addAccessor (like, changes) {
  const accessor = { ...doc.accessors[like], ...changes }
  for (const key in accessor) if (accessor[key] === undefined) delete accessor[key]
  doc.accessors.push(accessor)
  return doc.accessors.length - 1
}

// padded puts elements at multiples of four bytes, as glTF wants those of vertices.
function padded (bytes, size) {
  const stride = (size + 3) & ~3
  if (stride === size) return bytes
  const out = Buffer.alloc(bytes.length / size * stride)
  for (let i = 0; i < bytes.length / size; i++) bytes.copy(out, i * stride, i * size, (i + 1) * size)
  return out
}

function decodePrimitive (m, decoder, p) {
  const { bufferView, attributes } = p.extensions[DRACO]
  const view = doc.bufferViews[bufferView]
  const buffer = new m.DecoderBuffer()
  buffer.Init(new Int8Array(bin.subarray(view.byteOffset || 0, (view.byteOffset || 0) + view.byteLength)), view.byteLength)
  const mesh = new m.Mesh()
  const status = decoder.DecodeBufferToMesh(buffer, mesh)
  if (!status.ok() || !mesh.ptr) throw new Error('Draco: ' + status.error_msg())
  const taken = (size, read) => {
    const at = m._malloc(size)
    read(at)
    const bytes = Buffer.from(m.HEAPU8.slice(at, at + size))
    m._free(at)
    return bytes
  }
  const corners = mesh.num_faces() * 3
  if (p.indices !== undefined) {
    if (doc.accessors[p.indices].count !== corners) throw new Error(`Draco: it has ${corners} corners, and accessor ${p.indices} promises ${doc.accessors[p.indices].count}`)
    const bytes = taken(corners * 4, at => decoder.GetTrianglesUInt32Array(mesh, corners * 4, at))
    p.indices = addAccessor(p.indices, { bufferView: addView(bytes, { target: 34963 }), byteOffset: undefined, componentType: 5125 })
  }
  for (const name in attributes) {
    if (p.attributes[name] === undefined) continue
    const accessor = doc.accessors[p.attributes[name]]
    const attribute = decoder.GetAttributeByUniqueId(mesh, attributes[name])
    const points = mesh.num_points()
    if (!attribute.ptr || attribute.num_components() !== sizes[accessor.type] || accessor.count !== points) throw new Error(`Draco: its ${name} is not what accessor ${p.attributes[name]} promises`)
    const size = arrays[accessor.componentType].BYTES_PER_ELEMENT * sizes[accessor.type]
    const bytes = taken(points * size, at => decoder.GetAttributeDataArrayForAllPoints(mesh, attribute, m[types[accessor.componentType]], points * size, at))
    const stride = (size + 3) & ~3
    p.attributes[name] = addAccessor(p.attributes[name], { bufferView: addView(padded(bytes, size), { target: 34962, ...(stride !== size && { byteStride: stride }) }), byteOffset: undefined })
  }
  m.destroy(mesh)
  m.destroy(buffer)
  delete p.extensions[DRACO]
  if (!Object.keys(p.extensions).length) delete p.extensions
}

function read (index) {
  const a = doc.accessors[index]
  if (a.sparse || a.bufferView === undefined) throw new Error(`accessor ${index} is sparse, which Draco is not given`)
  const view = doc.bufferViews[a.bufferView]
  const Kind = arrays[a.componentType]
  const n = sizes[a.type]
  const size = n * Kind.BYTES_PER_ELEMENT
  const stride = view.byteStride || size
  const bytes = new Uint8Array(a.count * size)
  const start = (view.byteOffset || 0) + (a.byteOffset || 0)
  for (let i = 0; i < a.count; i++) bytes.set(bin.subarray(start + i * stride, start + i * stride + size), i * size)
  return new Kind(bytes.buffer)
}

function encodePrimitive (m, p) {
  if ((p.mode ?? 4) !== 4 || p.targets || p.indices === undefined) return // its vertices must keep their order
  const builder = new m.MeshBuilder()
  const mesh = new m.Mesh()
  const encoder = new m.Encoder()
  const corners = Uint32Array.from(read(p.indices))
  builder.AddFacesToMesh(mesh, corners.length / 3, corners)
  const attributes = {}
  for (const name in p.attributes) {
    const a = doc.accessors[p.attributes[name]]
    const kind = name === 'POSITION' || name === 'NORMAL' ? name : name.startsWith('COLOR_') ? 'COLOR' : name.startsWith('TEXCOORD_') ? 'TEX_COORD' : 'GENERIC'
    attributes[name] = builder[adders[a.componentType]](mesh, m[kind], a.count, sizes[a.type], read(p.attributes[name]))
    if (a.componentType === 5126) encoder.SetAttributeQuantization(m[kind], bits[kind])
  }
  encoder.SetSpeedOptions(5, 5)
  encoder.SetTrackEncodedProperties(true)
  const out = new m.DracoInt8Array()
  let size
  for (const method of [m.MESH_EDGEBREAKER_ENCODING, m.MESH_SEQUENTIAL_ENCODING]) {
    encoder.SetEncodingMethod(method)
    size = encoder.EncodeMeshToDracoBuffer(mesh, out)
    if (size <= 0) throw new Error('Draco: a primitive could not be packed')
    if (encoder.GetNumberOfEncodedFaces() === corners.length / 3) break // the first packs better, and leaves out what has no area
  }
  const bytes = Buffer.alloc(size)
  for (let i = 0; i < size; i++) bytes[i] = out.GetValue(i)
  const gone = { bufferView: undefined, byteOffset: undefined }
  for (const name in p.attributes) p.attributes[name] = addAccessor(p.attributes[name], { ...gone, count: encoder.GetNumberOfEncodedPoints() })
  p.indices = addAccessor(p.indices, { ...gone, count: encoder.GetNumberOfEncodedFaces() * 3 })
  p.extensions = { ...p.extensions, [DRACO]: { bufferView: addView(bytes), attributes } }
  for (const o of [out, mesh, encoder, builder]) m.destroy(o)
}

async function main () {
  const draco = require(library)
  const m = await (verb === 'decode' ? draco.createDecoderModule({}) : draco.createEncoderModule({}))
  const decoder = verb === 'decode' && new m.Decoder()
  for (const mesh of doc.meshes || []) {
    for (const p of mesh.primitives) {
      if (verb === 'encode') encodePrimitive(m, p)
      else if (p.extensions?.[DRACO]) decodePrimitive(m, decoder, p)
    }
  }
  for (const list of ['extensionsUsed', 'extensionsRequired']) {
    doc[list] = (doc[list] || []).filter(name => name !== DRACO)
    if (verb === 'encode') doc[list].push(DRACO)
    if (!doc[list].length) delete doc[list]
  }
  doc.buffers[0].byteLength = length
  const json = Buffer.from(JSON.stringify(doc))
  const space = Buffer.alloc(-json.length & 3, ' ')
  const head = Buffer.alloc(20)
  head.write('glTF')
  head.writeUInt32LE(2, 4)
  head.writeUInt32LE(28 + json.length + space.length + length, 8)
  head.writeUInt32LE(json.length + space.length, 12)
  head.write('JSON', 16)
  const chunk = Buffer.alloc(8)
  chunk.writeUInt32LE(length)
  chunk.write('BIN\0', 4)
  fs.writeFileSync(to, Buffer.concat([head, json, space, chunk, ...parts]))
}

main().catch(e => {
  console.error(e.message || e)
  process.exit(1)
})
