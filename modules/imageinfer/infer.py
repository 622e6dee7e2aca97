# Runs an ONNX model once: infer.py REQUEST, a JSON file. What comes of it is a JSON file too; the last line of standard error
# says why there is none. Nothing is read but the request and the files beside it that it names.
import json
import os
import sys
import time

import numpy as np
import onnxruntime as ort


def session(request, folder):
    options = ort.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait must not burn the processors of other jobs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    why = ""
    model = os.path.join(folder, "model.onnx")
    if request["cuda"]:
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            why = "ONNX Runtime is installed without CUDA here (onnxruntime, not onnxruntime-gpu)"
        else:
            # A provider that can't be had is left out in silence.
            s = ort.InferenceSession(model, options, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
            if s.get_providers()[0] == "CUDAExecutionProvider":
                return s, "cuda", ""
            why = "ONNX Runtime can't use CUDA here: its libraries, cuDNN or the driver don't fit"
        if request["required"]:
            raise RuntimeError("GPU is required: " + why)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]), "cpu", why


def main(path):
    folder = os.path.dirname(path)
    with open(path) as f:
        request = json.load(f)
    x = np.fromfile(os.path.join(folder, "input.f32"), dtype="<f4").reshape(request["shape"])
    s, device, why = session(request, folder)
    given = s.get_inputs()[0]
    if given.type == "tensor(float16)":
        x = x.astype(np.float16)
    start = time.perf_counter()
    y = s.run([s.get_outputs()[0].name], {given.name: x})[0]
    elapsed = time.perf_counter() - start
    y = np.asarray(y)
    if y.dtype not in (np.float32, np.float16):
        raise RuntimeError(f"the output holds {y.dtype}, no floating-point numbers")
    if y.size > request["most"]:
        raise RuntimeError(f"the output has {y.size} values, more than {request['most']}")
    y.astype("<f4").tofile(os.path.join(folder, "output.f32"))
    with open(os.path.join(folder, "result.json"), "w") as f:
        json.dump({"device": device, "why": why, "elapsed_ms": 1000 * elapsed, "shape": list(y.shape), "version": ort.__version__}, f)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as e:  # a sentence is what people read, not a stack
        sys.exit(" ".join(str(e).split())[:500] or type(e).__name__)
