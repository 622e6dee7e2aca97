"""Convert a file: read it, see that nothing is missing and nothing comes from elsewhere, write it, and read what was written."""
import math
import zlib

import numpy

STILL_AS_IT_IS = {"forward_axis": "NEGATIVE_Z", "up_axis": "Y"}  # STL and PLY say nothing of axes: as if Y is up, as glTF has it

READ = {
    "fbx": lambda f: bpy.ops.wm.fbx_import(filepath=f),  # ufbx, ASCII too
    "glb": lambda f: bpy.ops.import_scene.gltf(filepath=f),
    "obj": lambda f: bpy.ops.wm.obj_import(filepath=f),
    "stl": lambda f: bpy.ops.wm.stl_import(filepath=f, use_mesh_validate=False, **STILL_AS_IT_IS),
    "ply": lambda f: bpy.ops.wm.ply_import(filepath=f, **STILL_AS_IT_IS),
    "dae": lambda f: bpy.ops.wm.collada_import(filepath=f),
    "abc": lambda f: bpy.ops.wm.alembic_import(filepath=f, as_background_job=False),
    **dict.fromkeys(("usd", "usda", "usdc", "usdz"), lambda f: bpy.ops.wm.usd_import(filepath=f)),
}

WRITE = {
    "glb": lambda f: bpy.ops.export_scene.gltf(filepath=f, export_format="GLB"),
    "fbx": lambda f: bpy.ops.export_scene.fbx(
        filepath=f, path_mode="COPY", embed_textures=True, add_leaf_bones=False, object_types={"EMPTY", "ARMATURE", "MESH"}),
    "obj": lambda f: bpy.ops.wm.obj_export(filepath=f, path_mode="RELATIVE", export_pbr_extensions=True),
    "stl": lambda f: bpy.ops.wm.stl_export(filepath=f, **STILL_AS_IT_IS),
    "ply": lambda f: bpy.ops.wm.ply_export(filepath=f, **STILL_AS_IT_IS),
    "dae": lambda f: bpy.ops.wm.collada_export(filepath=f),
    "abc": lambda f: bpy.ops.wm.alembic_export(filepath=f, as_background_job=False),
    **dict.fromkeys(("usd", "usda", "usdc", "usdz"), lambda f: bpy.ops.wm.usd_export(
        filepath=f, export_animation=bool(bpy.data.actions), convert_orientation=True, export_textures_mode="NEW")),
}

MAX_OBJECTS, MAX_TRIANGLES = 250_000, 20_000_000  # that a scene draws: a small file may place a thing in a place in a place

EXTENSION = {"PNG": ".png", "JPEG": ".jpg", "TARGA": ".tga", "TIFF": ".tif", "WEBP": ".webp", "BMP": ".bmp"}


@command
def convert(request):
    warnings = []
    read = load(request["src"], request["format"], request["roots"], request["allowMissing"], warnings)
    if request["still"]:
        for o in bpy.data.objects:
            o.animation_data_clear()
    pictures_for(request["write"], request["dest"])
    if request["write"] in ("obj", "stl", "ply"):  # which hold one pose: that at rest, as in all other formats
        for a in bpy.data.armatures:
            a.pose_position = "REST"
    if request["zUp"]:
        finished(bpy.ops.wm.obj_export(filepath=request["dest"], forward_axis="Y", up_axis="Z"), "write it")
    else:
        finished(WRITE[request["write"]](request["dest"]), "write it")
    written = None
    if request["check"]:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        written = load(request["dest"], request["write"], request["roots"], False, [])
    return {"read": read, "written": written, "warnings": warnings}


def load(path, kind, roots, allow_missing, warnings):
    """Read a file into the empty scene, and return what it holds."""
    if kind.startswith("usd"):
        layers(path, roots, allow_missing, warnings)
    finished(READ[kind](path), "read it")
    bpy.context.scene.frame_set(0)  # the frame whose poses exporters take for the ones at rest
    tidy(warnings)
    pictures(os.path.dirname(path), roots, allow_missing, warnings)
    return measure()


def finished(result, what):
    if result != {"FINISHED"}:
        raise Refused("Blender could not %s (%s)" % (what, ", ".join(sorted(result)).lower()))


def inside(path, roots):
    real = os.path.realpath(path)
    return any(real == root or real.startswith(root + os.sep) for root in roots)


def missing(what, allow, warnings):
    if not allow:
        raise Outlaw(what + " is not there; put it where the file says, or set config.allow_missing_textures for pictures")
    warnings.append(what + " is not there: its material goes without")


def layers(path, roots, allow_missing, warnings):
    """See that what a USD refers to is there, and in the folders that it may be in."""
    bpy.utils.expose_bundled_modules()
    from pxr import UsdUtils

    try:
        found, assets, unresolved = UsdUtils.ComputeAllDependencies(path)
    except Exception as e:  # Tf.ErrorException: "Error in 'function' at line 1 in file x : 'what it is'"
        raise Refused("OpenUSD can't read it: " + str(e).rsplit(" : '", 1)[-1].strip(" '\n\t").replace("\n", " ")[:300])
    if not found:
        raise Refused("OpenUSD could not read it")
    for name in [layer.realPath for layer in found] + list(assets):
        name = name.split("[", 1)[0]
        if name and not inside(name, roots):
            raise Outlaw("it refers to %r, which is outside the workspace" % os.path.basename(name))
    for name in unresolved:
        if os.path.splitext(name)[1].lower() in (".usd", ".usda", ".usdc", ".usdz", ""):
            raise Outlaw("it refers to %r, which is not there; put it where the file says" % name)
        missing("texture %r" % name, allow_missing, warnings)


def tidy(warnings):
    """Leave what exporters agree on: meshes that are shown."""
    hidden, other = 0, {}
    for o in list(bpy.data.objects):
        if o.type in ("CURVE", "SURFACE", "FONT", "META", "CURVES", "POINTCLOUD", "VOLUME", "GREASEPENCIL", "LATTICE"):
            other[o.type] = other.get(o.type, 0) + 1
            bpy.data.objects.remove(o)
        elif o.type == "MESH":
            hidden += o.hide_viewport or o.hide_render
            o.hide_viewport = o.hide_render = False
    for kind, n in sorted(other.items()):
        warnings.append("%d objects are no meshes (%s) and were left out" % (n, kind.lower()))
    if hidden:
        warnings.append("%d objects are hidden in it, and shown in what was written" % hidden)


def find(path, folder):
    """The file that a path means: as it is, as Windows writes it, or that of its name beside the model; None is none."""
    path = bpy.path.abspath(path)
    plain = path.replace("\\", "/")
    for candidate in (path, plain, os.path.join(folder, plain.removeprefix("/")), os.path.join(folder, os.path.basename(plain))):
        if os.path.isfile(candidate):
            return candidate
    return None


def pictures(folder, roots, allow_missing, warnings):
    for image in list(bpy.data.images):
        if image.source not in ("FILE", "TILED", "SEQUENCE", "MOVIE"):
            continue
        name = os.path.basename(image.filepath.replace("\\", "/")) or image.name
        if not image.packed_file:
            path = find(image.filepath, folder)
            if path and not inside(path, roots):
                raise Outlaw("it names texture %r outside the workspace" % name)
            if path and path != bpy.path.abspath(image.filepath):
                image.filepath = path
                image.reload()
            if not path:
                missing("texture %r" % name, allow_missing, warnings)
                bpy.data.images.remove(image)
                continue
        if 0 in image.size[:]:
            raise Refused("texture %r is no picture that Blender reads" % name)


def pictures_for(kind, dest):
    """Take pictures into the file, or give those that lie beside it names that no other file's pictures have."""
    for i, image in enumerate(bpy.data.images):
        if image.source != "FILE":
            continue
        if not image.packed_file:
            image.pack()
        if kind not in ("obj", "dae", "usd", "usda", "usdc"):
            continue
        stem, ext = os.path.splitext(os.path.basename((image.filepath or image.name).replace("\\", "/")))
        stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in stem)  # a name in an MTL ends at a blank
        path = "%s_%d_%s%s" % (os.path.splitext(dest)[0], i, stem[:100], ext or EXTENSION.get(image.file_format, ".png"))
        if kind == "obj":  # whose exporter writes no pictures
            with open(path, "wb") as f:
                f.write(image.packed_file.data)
            image.unpack(method="REMOVE")
            image.filepath = path
        elif kind == "dae":  # whose exporter goes by a name of up to 63 bytes
            name = os.path.basename(path)
            image.name = name if len(name.encode()) < 63 else "%08x_%d%s" % (zlib.crc32(name.encode()), i, os.path.splitext(name)[1])
        else:
            image.filepath_raw = image.packed_files[0].filepath = path


def measure():
    """What the scene draws, at rest."""
    armatures = [a for a in bpy.data.armatures if a.pose_position == "POSE"]
    for a in armatures:
        a.pose_position = "REST"
    triangles, low, high = 0, [math.inf] * 3, [-math.inf] * 3
    materials, textures, known = set(), set(), {}
    for seen, instance in enumerate(bpy.context.evaluated_depsgraph_get().object_instances):
        if seen >= MAX_OBJECTS or triangles > MAX_TRIANGLES:
            raise Outlaw("it draws more than %d objects or %d triangles" % (MAX_OBJECTS, MAX_TRIANGLES))
        o = instance.object
        if o.type != "MESH":
            continue
        key = o.data.as_pointer()  # evaluated: what deforms it is in it
        if key not in known:
            known[key] = drawn(o)
        points, n, names = known[key]
        if n > 0:
            box(points, instance.matrix_world, low, high)
            materials |= names
        triangles += n
    for a in armatures:
        a.pose_position = "POSE"
    for name in materials:
        tree = bpy.data.materials[name].node_tree if name in bpy.data.materials else None
        textures |= {node.image.name for node in (tree.nodes if tree else ()) if node.type == "TEX_IMAGE" and node.image}
    if triangles == 0:
        raise Refused("there is no triangle in it")
    if not all(math.isfinite(x) for x in low + high):
        raise Refused("it has points that are no numbers")
    return {"triangles": triangles, "min": low, "max": high, "materials": len(materials), "textures": len(textures), "animations": len(bpy.data.actions)}


def drawn(o):
    """The points that triangles of a mesh use, how many triangles there are, and the names of their materials."""
    mesh = o.to_mesh()
    mesh.calc_loop_triangles()
    n = len(mesh.loop_triangles)
    corners = numpy.empty(n * 3, dtype=numpy.int32)
    mesh.loop_triangles.foreach_get("vertices", corners)
    points = numpy.empty(len(mesh.vertices) * 3, dtype=numpy.float32)
    mesh.vertices.foreach_get("co", points)
    names = used(mesh, n)
    o.to_mesh_clear()
    return points.reshape(-1, 3)[numpy.unique(corners)], n, names


def box(points, matrix, low, high):
    m = numpy.array(matrix, dtype=numpy.float64)
    points = points @ m[:3, :3].T + m[:3, 3]
    for i in range(3):
        low[i] = min(low[i], float(points[:, i].min()))
        high[i] = max(high[i], float(points[:, i].max()))


def used(mesh, n):
    slots = numpy.empty(n, dtype=numpy.int32)
    mesh.loop_triangles.foreach_get("material_index", slots)
    names = [m.name if m else None for m in mesh.materials]
    return {names[i] for i in numpy.unique(slots) if i < len(names) and names[i]}
