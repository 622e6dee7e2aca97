// What draws a GLB in a browser: the page of modules/chromium and the viewer that GlbHtmlEmbed writes share it.
import {
  ACESFilmicToneMapping, AgXToneMapping, AmbientLight, BoxGeometry, Color, CompressedCubeTexture, DataTexture, DirectionalLight, Group,
  HalfFloatType, LinearFilter, LinearMipmapLinearFilter, LinearSRGBColorSpace, LinearToneMapping, LoadingManager, Matrix4, Mesh,
  MeshStandardMaterial, NeutralToneMapping, NoColorSpace, NoToneMapping, PerspectiveCamera, PMREMGenerator, ReinhardToneMapping,
  RepeatWrapping, RGBAFormat, Scene, SRGBColorSpace, Texture, Vector3, WebGLRenderer,
} from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import { RoomEnvironment } from 'three/addons/environments/RoomEnvironment.js';
import { MeshoptDecoder } from 'three/addons/libs/meshopt_decoder.module.js';
import { DRACOLoader } from 'three/addons/loaders/DRACOLoader.js';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { KTX2Loader } from 'three/addons/loaders/KTX2Loader.js';

const toneMappings = {
  neutral: NeutralToneMapping, aces: ACESFilmicToneMapping, agx: AgXToneMapping, reinhard: ReinhardToneMapping,
  linear: LinearToneMapping, none: NoToneMapping,
};

// studio is the light that stands beside the room's: a key, a fill and a rim.
const studio = [
  { color: '#fff6ea', intensity: 1.6, position: [-0.68, 0.62, 0.78] },
  { color: '#dbe8ff', intensity: 0.35, position: [0.95, 0.15, 0.55] },
  { color: '#eef4ff', intensity: 0.8, position: [0.35, 0.75, -0.9] },
];

// named is what the graphics driver calls itself.
function named(gl) {
  return gl.getParameter(gl.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER);
}

// load reads a GLB. decoders are files by name, as ArrayBuffers. What it can't read is an error, textures too.
async function load(renderer, bytes, decoders) {
  const files = {};
  for (const [name, data] of Object.entries(decoders)) files[name] = URL.createObjectURL(new Blob([data]));
  // Software takes some thirty times as long for it.
  Texture.DEFAULT_ANISOTROPY = /llvmpipe|softpipe|SwiftShader/.test(named(renderer.getContext())) ? 1 : 8;
  const failed = [];
  const manager = new LoadingManager();
  manager.setURLModifier((url) => files[url] ?? url);
  manager.onError = (url) => failed.push(url);
  const draco = new DRACOLoader(manager).setDecoderPath('draco/');
  const ktx2 = new KTX2Loader(manager).setTranscoderPath('basis/').detectSupport(renderer);
  const loader = new GLTFLoader(manager).setMeshoptDecoder(MeshoptDecoder).setDRACOLoader(draco).setKTX2Loader(ktx2);
  try {
    const gltf = await loader.parseAsync(bytes, '');
    if (failed.length > 0) throw new Error('a texture of it can\'t be read');
    return gltf;
  } finally {
    draco.dispose();
    ktx2.dispose();
    Object.values(files).forEach((url) => URL.revokeObjectURL(url));
  }
}

const blur = 0.04, sides = [256, 128, 64, 32, 16, 8]; // of the room: radians, and texels of its levels, the roughest last

// room is what a model mirrors and is lit by. Software takes more than a second to make it: bytes, where given, are one that was
// made before (threejs.Room), RGBA halves of the levels of the six faces.
function room(renderer, bytes) {
  if (!bytes) {
    const maker = new PMREMGenerator(renderer);
    const { texture } = maker.fromScene(new RoomEnvironment(), blur);
    maker.dispose();
    return texture;
  }
  const halves = new Uint16Array(bytes);
  let at = 0;
  const faces = [0, 1, 2, 3, 4, 5].map(() => ({
    width: sides[0], height: sides[0], format: RGBAFormat,
    mipmaps: sides.map((side) => ({ width: side, height: side, data: halves.subarray(at, at += 4 * side * side) })),
  }));
  const texture = new CompressedCubeTexture(faces, RGBAFormat, HalfFloatType);
  texture.magFilter = LinearFilter;
  texture.minFilter = LinearMipmapLinearFilter;
  texture.colorSpace = LinearSRGBColorSpace;
  texture.isPMREMTexture = texture.isRenderTargetTexture = true; // it is as one that was made here
  texture.needsUpdate = true;
  return texture;
}

// stage puts a model into light. look: {environment, environmentIntensity, exposure, toneMapping, lights, background}. around is the
// environment, where there is one.
function stage(renderer, model, look, around) {
  renderer.toneMapping = toneMappings[look.toneMapping] ?? NeutralToneMapping;
  renderer.toneMappingExposure = look.exposure ?? 1;
  const scene = new Scene();
  if (look.environment !== 'none') {
    scene.environment = around;
    scene.environmentIntensity = look.environmentIntensity ?? 0.55;
  }
  if (look.background) scene.background = new Color(look.background);
  scene.rig = (look.lights ?? studio).map((l) => {
    const light = l.type === 'ambient' ? new AmbientLight(l.color, l.intensity) : new DirectionalLight(l.color, l.intensity);
    light.toward = new Vector3(...(l.position ?? [0, 0, 1])); // in the camera's own axes: right, up, towards it
    scene.add(light);
    return light;
  });
  scene.add(model);
  scene.updateMatrixWorld(true);
  return scene;
}

// cloud is every point that the model's triangles use (its points and lines where it has no triangles), moved and scaled into the
// unit sphere around the middle of their box: {points, center, radius}.
function cloud(model) {
  const drawn = [];
  model.traverseVisible((o) => { if (o.isMesh) drawn.push(o); });
  if (drawn.length === 0) model.traverseVisible((o) => { if (o.isPoints || o.isLine) drawn.push(o); });
  const list = [];
  const v = new Vector3(), m = new Matrix4();
  for (const o of drawn) {
    const n = o.geometry.attributes.position?.count ?? 0;
    const used = new Uint8Array(n).fill(o.geometry.index ? 0 : 1);
    if (o.geometry.index) for (const i of o.geometry.index.array) used[i] = 1;
    const points = [];
    for (let i = 0; i < n; i++) {
      if (!used[i]) continue;
      if (o.getVertexPosition) o.getVertexPosition(i, v); else v.fromBufferAttribute(o.geometry.attributes.position, i);
      points.push(v.x, v.y, v.z);
    }
    for (let k = 0; k < (o.isInstancedMesh ? o.count : 1); k++) {
      if (o.isInstancedMesh) o.getMatrixAt(k, m); else m.identity();
      m.premultiply(o.matrixWorld);
      for (let i = 0; i < points.length; i += 3) {
        v.set(points[i], points[i + 1], points[i + 2]).applyMatrix4(m);
        if (Number.isFinite(v.x) && Number.isFinite(v.y) && Number.isFinite(v.z)) list.push(v.x, v.y, v.z);
      }
    }
  }
  if (list.length === 0) throw new Error('it draws nothing');
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  list.forEach((x, i) => { low[i % 3] = Math.min(low[i % 3], x); high[i % 3] = Math.max(high[i % 3], x); });
  const center = low.map((x, i) => (x + high[i]) / 2);
  const radius = Math.hypot(...low.map((x, i) => (high[i] - x) / 2));
  if (!(radius > 0)) throw new Error('it has no extent');
  return { points: Float64Array.from(list, (x, i) => (x - center[i % 3]) / radius), center: new Vector3(...center), radius };
}

const halfField = 14 * Math.PI / 180, filled = 0.84, nearest = 0.1; // as modules/raster/camera.go has them

// orbit is where a camera sees all points however they turn: {y, d}.
function orbit(c, elevation, wide, high) {
  const sin = Math.sin(elevation), cos = Math.cos(elevation), p = c.points;
  let above = 0, below = 0, d = 0;
  for (let i = 0; i < p.length; i += 3) {
    const r = Math.hypot(p[i], p[i + 2]), z = p[i + 1] * sin, h = p[i + 1] * high * cos;
    d = Math.max(d, z + r * Math.abs(cos) + nearest, z + r * Math.hypot(cos, wide));
    above = Math.max(above, z + h + r * Math.abs(cos - high * sin));
    below = Math.max(below, z - h + r * Math.abs(cos + high * sin));
  }
  return { y: (above - below) / (2 * high), d: Math.max(d, (above + below) / 2) };
}

// camera stands where all points of a cloud just fill the picture, or the widest one of their turn: the arithmetic of
// modules/raster/camera.go.
function camera(c, view, aspect) {
  const a = view.azimuth * Math.PI / 180, e = view.elevation * Math.PI / 180;
  const right = new Vector3(Math.cos(a), 0, -Math.sin(a));
  const back = new Vector3(Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e));
  const up = new Vector3().crossVectors(back, right);
  const half = Math.tan(halfField) * Math.max(aspect, 1), focal = 0.5 / half;
  const wide = 1 / (half * filled), high = aspect / (half * filled);
  const n = c.points.length / 3, own = new Float64Array(c.points.length); // the points in the camera's axes
  const p = new Vector3();
  for (let i = 0; i < n; i++) {
    p.fromArray(c.points, 3 * i);
    own[3 * i] = p.dot(right); own[3 * i + 1] = p.dot(up); own[3 * i + 2] = p.dot(back);
  }
  let x = 0, y = 0;
  const distance = () => {
    let d = 0;
    for (let i = 0; i < own.length; i += 3) {
      const z = own[i + 2];
      d = Math.max(d, z + nearest, z + Math.abs(own[i] - x) * wide, z + Math.abs(own[i + 1] - y) * high);
    }
    return d;
  };
  for (let turn = 0; turn < 3 && !view.turning; turn++) {
    const d = distance();
    let l = 0, r = 0, t = 0, b = 0;
    for (let i = 0; i < own.length; i += 3) {
      const w = 1 / (d - own[i + 2]), sx = (own[i] - x) * focal * w, sy = -(own[i + 1] - y) * focal * w;
      l = Math.min(l, sx); r = Math.max(r, sx); t = Math.min(t, sy); b = Math.max(b, sy);
    }
    x += (l + r) / 2 / focal * d;
    y -= (t + b) / 2 / focal * d;
  }
  let d = distance();
  if (view.turning) ({ y, d } = orbit(c, e, wide, high));
  let near = Infinity, far = 0;
  for (let i = 2; i < own.length; i += 3) { near = Math.min(near, d - own[i]); far = Math.max(far, d - own[i]); }
  const cam = new PerspectiveCamera(2 * Math.atan(half / aspect) * 180 / Math.PI, aspect, near * 0.9 * c.radius, far * 1.1 * c.radius);
  const eye = new Vector3().addScaledVector(right, x).addScaledVector(up, y).addScaledVector(back, d);
  cam.matrixAutoUpdate = false;
  cam.matrix.makeBasis(right, up, back).setPosition(eye.multiplyScalar(c.radius).add(c.center));
  cam.updateMatrixWorld(true);
  cam.updateProjectionMatrix();
  return cam;
}

// light turns the light with the camera, so that every side is shown well.
function light(scene, cam, azimuth) {
  scene.environmentRotation.set(0, azimuth * Math.PI / 180, 0);
  for (const l of scene.rig) l.position.copy(l.toward).transformDirection(cam.matrixWorld);
}

// Painter is the page of modules/chromium: one model, pictures of any size, tile by tile.
class Painter {
  constructor(bytes) {
    this.renderer = new WebGLRenderer({ antialias: true, alpha: true, powerPreference: 'high-performance' });
    this.renderer.setPixelRatio(1);
    this.gl = this.renderer.getContext();
    this.room = room(this.renderer, bytes);
  }

  // bake is the room that was made here, as bytes are that room takes.
  bake() {
    const { gl } = this, { __webglTexture: from } = this.renderer.properties.get(this.room);
    const all = [];
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    for (let face = 0; face < 6; face++) {
      sides.forEach((side, level) => {
        gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_CUBE_MAP_POSITIVE_X + face, from, level);
        const halves = new Uint16Array(4 * side * side);
        gl.readPixels(0, 0, side, side, gl.RGBA, gl.HALF_FLOAT, halves);
        all.push(new Uint8Array(halves.buffer));
      });
    }
    return all.map((bytes) => bytes.toBase64());
  }

  // rehearse draws materials as most models have them, whose programs the driver then need not make while somebody waits.
  rehearse() {
    const picture = (colorSpace) => {
      const t = new DataTexture(new Uint8Array(4 * 8 * 8).fill(200), 8, 8);
      Object.assign(t, { colorSpace, magFilter: LinearFilter, minFilter: LinearMipmapLinearFilter, generateMipmaps: true });
      t.wrapS = t.wrapT = RepeatWrapping;
      t.needsUpdate = true;
      return t;
    };
    const colour = picture(SRGBColorSpace), rough = picture(NoColorSpace), normal = picture(NoColorSpace), glow = picture(SRGBColorSpace);
    const surface = { map: colour, roughnessMap: rough, metalnessMap: rough, normalMap: normal };
    const group = this.rehearsed = new Group(); // kept, and its programs with it
    for (const maps of [{}, { map: colour }, surface, { ...surface, aoMap: rough, emissiveMap: glow, emissive: 0xffffff }]) {
      group.add(new Mesh(new BoxGeometry(), new MeshStandardMaterial({ ...maps, metalness: 1, roughness: 1 })));
    }
    this.show(64, 64, group, {});
    this.paint({ width: 64, height: 64, azimuth: 30, elevation: 20, x: 0, y: 0 });
  }

  // open reads a model, of which tiles of this size will be drawn.
  async open(width, height, bytes, decoders, look) {
    const gltf = await load(this.renderer, bytes, decoders);
    this.show(width, height, gltf.scene, look);
    return { renderer: named(this.gl), width: this.width, height: this.height };
  }

  show(width, height, model, look) {
    this.renderer.setSize(width, height, false);
    this.width = this.gl.drawingBufferWidth;
    this.height = this.gl.drawingBufferHeight;
    this.pixels = new Uint8Array(4 * this.width * this.height);
    this.scene = stage(this.renderer, model, look, this.room);
    this.cloud = cloud(model);
  }

  // paint draws the part of a picture that begins at x, y, and returns its pixels as base64: rows from below, RGBA, with the
  // colours multiplied by alpha.
  paint({ width, height, azimuth, elevation, turning, x, y }) {
    const cam = camera(this.cloud, { azimuth, elevation, turning }, width / height);
    light(this.scene, cam, azimuth);
    cam.setViewOffset(width, height, x, y, this.width, this.height);
    this.renderer.render(this.scene, cam);
    if (this.gl.isContextLost()) throw new Error('the graphics driver gave up');
    this.gl.readPixels(0, 0, this.width, this.height, this.gl.RGBA, this.gl.UNSIGNED_BYTE, this.pixels);
    return { triangles: this.renderer.info.render.triangles, matrix: cam.matrix.elements, pixels: this.pixels.toBase64() };
  }
}

// view shows a model in an element, to be turned by hand.
async function view(element, bytes, decoders, look) {
  const renderer = new WebGLRenderer({ antialias: true, alpha: true });
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  element.append(renderer.domElement);
  const gltf = await load(renderer, bytes, decoders);
  const scene = stage(renderer, gltf.scene, look, look.environment === 'none' ? null : room(renderer)), c = cloud(gltf.scene);
  const aspect = () => Math.max(element.clientWidth, 1) / Math.max(element.clientHeight, 1);
  const cam = camera(c, { azimuth: look.azimuth ?? 32, elevation: look.elevation ?? 22, turning: look.autoRotate }, aspect());
  cam.matrix.decompose(cam.position, cam.quaternion, cam.scale);
  cam.matrixAutoUpdate = true;
  cam.near = c.radius / 100;
  cam.far = c.radius * 100;
  const controls = new OrbitControls(cam, renderer.domElement);
  controls.target.copy(c.center);
  controls.enableDamping = true;
  controls.autoRotate = look.autoRotate ?? false;
  controls.autoRotateSpeed = look.autoRotateSpeed ?? 2;
  const fit = () => {
    renderer.setSize(element.clientWidth, element.clientHeight);
    cam.aspect = aspect();
    cam.updateProjectionMatrix();
  };
  new ResizeObserver(fit).observe(element);
  fit();
  renderer.setAnimationLoop(() => {
    controls.update();
    light(scene, cam, controls.getAzimuthalAngle() * 180 / Math.PI);
    renderer.render(scene, cam);
  });
  return { triangles: () => renderer.info.render.triangles };
}

globalThis.Millrace = { Painter, view };
