"""Draw pictures of a GLB with Cycles, Blender's path tracer: linear light on nothing, as half floats, for others to develop."""
from mathutils import Matrix, Vector

UPRIGHT = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))  # glTF's axes in Blender's, whose z is up
HALF_FIELD, FILLED, NEAREST = math.radians(14), 0.84, 0.1  # as modules/raster/camera.go has them
SUN = math.radians(6)  # across: shadows have soft edges


@command
def render(request):
    finished(bpy.ops.import_scene.gltf(filepath=request["src"], disable_bone_shape=True, export_import_convert_lighting_mode="COMPAT"), "read it")
    bpy.context.scene.frame_set(0)
    pictures(os.path.dirname(request["src"]), request["roots"], False, [])
    device, gpu = draw_on(request["gpu"], request["threads"])
    points, center, radius, triangles = cloud()
    settle(center, radius)
    light(request["ambient"], request["room"], request["suns"])
    scene = bpy.context.scene
    scene.cycles.samples, scene.cycles.seed = request["samples"], 1
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = request["width"], request["height"], 100
    eye = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(eye)
    scene.camera = eye
    matrices = []
    for i, view in enumerate(request["views"]):
        place = stand(eye, points, view, request["width"] / request["height"])
        turn(eye.matrix_world, view["azimuth"])
        expose(os.path.join(request["dest"], "%d.half" % i))
        place.translation = place.translation * radius + Vector(center)
        matrices.append([x for column in place.transposed() for x in column])
    return {"device": device, "gpu": gpu, "triangles": triangles, "matrices": matrices}


def draw_on(gpu, threads):
    """Choose what draws: OptiX or CUDA where a GPU is asked for and its driver has them. Its name, and whether it is a GPU."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.cycles.use_denoising = True
    known = bpy.context.preferences.addons["cycles"].preferences
    for kind in ("OPTIX", "CUDA") if gpu else ():
        known.compute_device_type = kind
        known.refresh_devices()
        found = [d for d in known.devices if d.type == kind]
        for d in known.devices:
            d.use = d.type == kind
        if found:
            scene.cycles.device, scene.cycles.denoising_use_gpu = "GPU", True
            return "%s (%s)" % (found[0].name, {"OPTIX": "OptiX", "CUDA": "CUDA"}[kind]), True
    scene.cycles.device = "CPU"
    known.refresh_devices()
    return next((d.name for d in known.devices if d.type == "CPU"), "CPU"), False


def cloud():
    """Every point that a triangle uses, in glTF's axes, moved and scaled into the unit sphere around the middle of their box."""
    parts, triangles = [], 0
    for instance in bpy.context.evaluated_depsgraph_get().object_instances:
        o = instance.object
        if o.type != "MESH" or not instance.show_self:
            continue
        mesh = o.to_mesh()
        mesh.calc_loop_triangles()
        n = len(mesh.loop_triangles)
        if n > 0:
            corners = numpy.empty(n * 3, dtype=numpy.int32)
            mesh.loop_triangles.foreach_get("vertices", corners)
            points = numpy.empty(len(mesh.vertices) * 3, dtype=numpy.float32)
            mesh.vertices.foreach_get("co", points)
            m = numpy.array(UPRIGHT.inverted() @ instance.matrix_world, dtype=numpy.float64)
            points = points.reshape(-1, 3)[numpy.unique(corners)] @ m[:3, :3].T + m[:3, 3]
            parts.append(points[numpy.isfinite(points).all(axis=1)])
            triangles += n
        o.to_mesh_clear()
    points = numpy.concatenate(parts) if parts else numpy.empty((0, 3))
    if len(points) == 0:
        raise Refused("there is no triangle in it")
    low, high = points.min(axis=0), points.max(axis=0)
    center, radius = (low + high) / 2, float(numpy.linalg.norm((high - low) / 2))
    if not 0 < radius < math.inf:
        raise Refused("it has no extent")
    return (points - center) / radius, [float(x) for x in center], radius, triangles


def settle(center, radius):
    """Move and scale the scene into the unit sphere: Cycles' arithmetic is for things of that size."""
    scene = bpy.context.scene
    root = bpy.data.objects.new("root", None)
    scene.collection.objects.link(root)
    for o in bpy.data.objects:
        if o.parent is None and o is not root:
            o.parent = root
    root.matrix_world = Matrix.Scale(1 / radius, 4) @ Matrix.Translation(-(UPRIGHT.to_3x3() @ Vector(center)))
    for lamp in bpy.data.lights:
        if lamp.type != "SUN":
            lamp.energy /= radius**2  # as far as it is nearer now
    for material in bpy.data.materials:
        for node in material.node_tree.nodes if material.node_tree else ():
            if node.type == "VOLUME_ABSORPTION":  # per metre
                node.inputs["Density"].default_value *= radius


def stand(eye, points, view, aspect):
    """Put the camera where all points just fill the picture, or the widest one of their turn: the arithmetic of
    modules/raster/camera.go. Its place in the cloud."""
    a, e = math.radians(view["azimuth"]), math.radians(view["elevation"])
    right = numpy.array((math.cos(a), 0, -math.sin(a)))
    back = numpy.array((math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)))
    up = numpy.cross(back, right)
    own = points @ numpy.array((right, up, back)).T  # in the camera's axes
    half = math.tan(HALF_FIELD) * max(aspect, 1)
    wide, high = 1 / (half * FILLED), aspect / (half * FILLED)
    x = y = 0.0

    def distance():
        z = own[:, 2]
        return max(0.0, (z + NEAREST).max(), (z + abs(own[:, 0] - x) * wide).max(), (z + abs(own[:, 1] - y) * high).max())

    for _ in range(0 if view["turning"] else 3):
        d = distance()
        sx, sy = (own[:, 0] - x) / (d - own[:, 2]), (own[:, 1] - y) / (d - own[:, 2])
        x += d * (min(sx.min(), 0) + max(sx.max(), 0)) / 2
        y += d * (min(sy.min(), 0) + max(sy.max(), 0)) / 2
    y, d = orbit(points, e, wide, high) if view["turning"] else (y, distance())
    near, far = d - own[:, 2].max(), d - own[:, 2].min()
    eye.data.sensor_fit, eye.data.angle = "HORIZONTAL", 2 * math.atan(half)
    eye.data.clip_start, eye.data.clip_end = near * 0.9, far * 1.1
    place = Matrix((right, up, back)).transposed().to_4x4()
    place.translation = Vector(right * x + up * y + back * d)
    eye.matrix_world = UPRIGHT @ place
    return place


def orbit(points, elevation, wide, high):
    """Where, along up and back, a camera sees all points however they are turned around the y axis."""
    sin, cos = math.sin(elevation), math.cos(elevation)
    r, z, h = numpy.hypot(points[:, 0], points[:, 2]), points[:, 1] * sin, points[:, 1] * high * cos
    above, below = (z + h + r * abs(cos - high * sin)).max(), (z - h + r * abs(cos + high * sin)).max()
    d = max((z + r * abs(cos) + NEAREST).max(), (z + r * math.hypot(cos, wide)).max())
    return (above - below) / (2 * high), max(d, (above + below) / 2)


def light(ambient, room, suns):
    """Light the scene: by a room, by light from all sides, and by suns."""
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    scene.world.cycles.sampling_method, scene.world.cycles.sample_map_resolution = "MANUAL", 256
    nodes, links = scene.world.node_tree.nodes, scene.world.node_tree.links
    nodes.clear()
    out, both = nodes.new("ShaderNodeOutputWorld"), nodes.new("ShaderNodeAddShader")
    even, walls = nodes.new("ShaderNodeBackground"), nodes.new("ShaderNodeBackground")
    picture, turned, way = nodes.new("ShaderNodeTexEnvironment"), nodes.new("ShaderNodeMapping"), nodes.new("ShaderNodeTexCoord")
    even.inputs["Color"].default_value = [x / math.pi for x in ambient] + [1]
    walls.inputs["Strength"].default_value = room
    picture.image, turned.name = studio(), "turned"
    links.new(way.outputs["Generated"], turned.inputs["Vector"])
    links.new(turned.outputs["Vector"], picture.inputs["Vector"])
    links.new(picture.outputs["Color"], walls.inputs["Color"])
    links.new(even.outputs[0], both.inputs[0])
    links.new(walls.outputs[0], both.inputs[1])
    links.new(both.outputs[0], out.inputs["Surface"])
    for s in suns:
        lamp = bpy.data.lights.new("sun", "SUN")
        lamp.energy, lamp.color, lamp.angle = s["intensity"], s["color"], SUN
        o = bpy.data.objects.new("sun", lamp)
        o["toward"] = s["toward"]
        scene.collection.objects.link(o)


def turn(camera, azimuth):
    """Turn the light with the camera, so that every side is shown well."""
    bpy.context.scene.world.node_tree.nodes["turned"].inputs["Rotation"].default_value = (0, 0, -math.radians(azimuth))
    for o in bpy.context.scene.objects:
        if o.type == "LIGHT" and "toward" in o:
            o.matrix_world = (camera.to_3x3() @ Vector(o["toward"])).to_track_quat("Z", "Y").to_matrix().to_4x4()


def studio(width=256, height=128):
    """The room of three.js (RoomEnvironment) as a picture of all directions around its middle: boxes in a box, and lamps."""
    phi = (0.5 - (numpy.arange(width) + 0.5) / width) * 2 * math.pi
    theta = (1 - (numpy.arange(height) + 0.5) / height) * math.pi
    sin = numpy.sin(theta)[:, None]
    d = numpy.stack((sin * numpy.cos(phi), numpy.cos(theta)[:, None] + 0 * phi, -sin * numpy.sin(phi)), axis=-1).reshape(-1, 3)
    here, bulb = numpy.array((0, 3.5, 0)), numpy.array((0.418, 16.199, 0.300))
    seen, nearest = numpy.zeros(len(d)), numpy.full(len(d), numpy.inf)
    for place, size, angle, glow in ROOM:
        s, c = math.sin(angle), math.cos(angle)
        own = numpy.array(((c, 0, -s), (0, 1, 0), (s, 0, c)))  # into the box's axes
        with numpy.errstate(divide="ignore", invalid="ignore"):
            one = (-numpy.array(size) / 2 - own @ (here - place)) / (d @ own.T)
            two = (numpy.array(size) / 2 - own @ (here - place)) / (d @ own.T)
        enter, leave = numpy.minimum(one, two), numpy.maximum(one, two)
        inside = glow is None
        t = leave.min(axis=1) if inside else enter.max(axis=1)
        hit = (t > 0) & (t < nearest) & (enter.max(axis=1) <= leave.min(axis=1))
        axis = leave.argmin(axis=1) if inside else enter.argmax(axis=1)
        normal = numpy.sign(d @ own.T)[numpy.arange(len(d)), axis][:, None] * own[axis] * -1
        to = bulb - (here + d * numpy.where(hit, t, 0)[:, None])
        far = numpy.linalg.norm(to, axis=1)
        lit = 900 / far**2 * numpy.clip(1 - (far / 28) ** 4, 0, 1) ** 2 * numpy.clip((normal * to).sum(axis=1) / far, 0, 1) / math.pi
        seen, nearest = numpy.where(hit, glow or lit, seen), numpy.where(hit, t, nearest)
    pixels = numpy.ones((len(d), 4), dtype=numpy.float32)
    pixels[:, :3] = seen[:, None]
    image = bpy.data.images.new("room", width, height, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    return image


ROOM = (  # the middle, the size, the turn around y and the light of each box; the first is the room, and what has 0 is lit by its bulb
    ((-0.757, 13.219, 0.717), (31.713, 28.305, 28.591), 0, None),
    ((-10.906, 2.009, 1.846), (2.328, 7.905, 4.651), -0.195, 0),
    ((-5.607, -0.754, -0.758), (1.970, 1.534, 3.955), 0.994, 0),
    ((6.167, 0.857, 7.803), (3.927, 6.285, 3.687), 0.561, 0),
    ((-2.017, 0.018, 6.124), (2.002, 4.566, 2.064), 0.333, 0),
    ((2.291, -0.756, -2.621), (1.546, 1.552, 1.496), -0.286, 0),
    ((-2.193, -0.369, -5.547), (3.875, 3.487, 2.986), 0.516, 0),
    ((-16.116, 14.37, 8.208), (0.1, 2.428, 2.739), 0, 50),
    ((-16.109, 18.021, -8.207), (0.1, 2.425, 2.751), 0, 50),
    ((14.904, 12.198, -1.832), (0.15, 4.265, 6.331), 0, 17),
    ((-0.462, 8.89, 14.520), (4.38, 5.441, 0.088), 0, 43),
    ((3.235, 11.486, -12.541), (2.5, 2.0, 0.1), 0, 20),
    ((0.0, 20.0, 0.0), (1.0, 0.1, 1.0), 0, 100),
)


def expose(path):
    """Draw, and write the pixels: rows from above, RGBA, linear, the colours multiplied by alpha."""
    scene = bpy.context.scene
    scene.render.film_transparent, scene.render.use_file_extension, scene.render.filepath = True, False, path + ".exr"
    how = scene.render.image_settings
    how.file_format, how.color_mode, how.color_depth, how.exr_codec = "OPEN_EXR", "RGBA", "16", "NONE"
    finished(bpy.ops.render.render(write_still=True), "draw it")
    image = bpy.data.images.load(path + ".exr")
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = numpy.empty(width * height * 4, dtype=numpy.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    os.remove(path + ".exr")
    pixels = numpy.nan_to_num(pixels.reshape(height, -1)[::-1], posinf=65504, neginf=0).clip(0, 65504)
    pixels.astype("<f2").tofile(path)
