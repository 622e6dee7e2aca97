"""Runs ONNX models: a line of JSON for each request, a line of JSON for each answer, until there are no more requests.

Nothing is read but the requests and the files of this folder that they name. The model of the last request stays loaded.
"""
import json
import os
import resource
import sys
import time

requests = os.fdopen(os.dup(0), "rb")
answers = os.fdopen(os.dup(1), "wb")
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.dup2(2, 1)  # libraries print

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402


def session(request):
    options = ort.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait must not burn the processors of other jobs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    why = ""
    if request["cuda"]:
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            why = "ONNX Runtime is installed without CUDA here (onnxruntime, not onnxruntime-gpu)"
        else:
            # A provider that can't be had is left out in silence.
            s = ort.InferenceSession(request["model"], options, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
            if s.get_providers()[0] == "CUDAExecutionProvider":
                return s, "cuda", ""
            why = "ONNX Runtime can't use CUDA here: its libraries, cuDNN or the driver don't fit"
        if request["required"]:
            raise RuntimeError("GPU is required: " + why)
    return ort.InferenceSession(request["model"], options, providers=["CPUExecutionProvider"]), "cpu", why


loaded = {}


def load(request):
    """The session of a request, the one that is there or a new one, which takes its place."""
    key = json.dumps([request[name] for name in ("model", "cuda", "required", "threads")])
    if key not in loaded:
        loaded.clear()
        loaded[key] = session(request)
    return loaded[key]


def infer(request):
    start = time.perf_counter()
    s, device, why = load(request)
    given = s.get_inputs()[0]
    ready = time.perf_counter()
    x = np.fromfile(request["input"], dtype="<f4").reshape(request["shape"])
    if given.type == "tensor(float16)":
        x = x.astype(np.float16)
    times = []
    for _ in range(request["runs"]):
        began = time.perf_counter()
        y = s.run([s.get_outputs()[0].name], {given.name: x})[0]
        times.append(1000 * (time.perf_counter() - began))
    y = np.asarray(y)
    if y.dtype not in (np.float32, np.float16):
        raise RuntimeError(f"the output holds {y.dtype}, no floating-point numbers")
    if y.size > request["most"]:
        raise RuntimeError(f"the output has {y.size} values, more than {request['most']}")
    y.astype("<f4").tofile(request["output"])
    most = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"device": device, "why": why, "load_ms": 1000 * (ready - start), "run_ms": times, "memory": most}


def answer(line):
    try:
        return infer(json.loads(line))
    except Exception as e:  # a sentence is what people read, not a stack
        return {"refused": " ".join(str(e).split())[:500] or type(e).__name__}


for line in requests:
    answers.write(json.dumps(answer(line)).encode("ascii") + b"\n")
    answers.flush()
os._exit(0)  # what is torn down at the end of the interpreter takes time, and may crash
