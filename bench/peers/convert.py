# SPDX-License-Identifier: Apache-2.0
"""Converts ONNX models for the peers with each peer's own converter, once.

DIR/ENGINE/MODEL.* is the result, DIR/ENGINE/MODEL.error the last words of a converter that failed. Each conversion is a process
of its own, since converters crash. onnxruntime and OpenCV read ONNX themselves. LiteRT's converter (onnx2tf) needs TensorFlow and
pins old versions of everything, so it lives in an environment of its own if at all (--onnx2tf PROGRAM); without it LiteRT gets the
TFLite originals that the shared folder has of some networks.
"""
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy

# TFLite originals in the shared folder, by ONNX file stem. kws: same architecture, other weights.
ORIGINALS = {
    "mlperf_ad01.float": "mlperf_tiny/ad01_fp32.tflite", "mlperf_kws_int8.float": "mlperf_tiny/kws_ref_model_float32.tflite",
    "mlperf_resnet8.float": "mlperf_tiny/pretrainedResnet.tflite", "mlperf_vww96.float": "mlperf_tiny/vww_96_float.tflite",
    "nmp": "basic_pitch/nmp.tflite", "dtln_model_1": "dtln/model_1.tflite", "kwt1.float": "kwt1/non_stream.tflite",
    "version-RFB-320_without_postprocessing": "ultraface/version-RFB-320_without_postprocessing.tflite",
    "deeplabv3_257.float": "tflite_support/deeplabv3.tflite",
}
OPENVINO = "import openvino, sys; openvino.save_model(openvino.Core().read_model(sys.argv[1]), sys.argv[2], compress_to_fp16=False)"
# The wheel's own function rather than its mnnconvert program: that one sends reports of its use, and installs packages for it.
MNN = "import _tools, sys; _tools.mnnconvert(['mnnconvert', '-f', 'ONNX', '--modelFile', sys.argv[1], '--MNNModel', sys.argv[2], " \
      "'--bizCode', 'bench'] + sys.argv[3:])"


class Failed(Exception):
    pass


def call(command, timeout=300, **options):
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, errors="replace", **options)
    except subprocess.TimeoutExpired:
        raise Failed(f"no end after {timeout} s") from None
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "no words").splitlines()[-1]
        raise Failed(f"exit code {done.returncode}: {words[-200:]}")
    return done.stdout


def openvino(network, target):
    call([sys.executable, "-c", OPENVINO, network.path, f"{target}.xml"])


def ncnn(network, target):
    home = importlib.util.find_spec("pnnx").submodule_search_locations[0]  # importing it would need torch
    with tempfile.TemporaryDirectory() as folder:  # pnnx writes beside its input
        copy = pathlib.Path(folder) / "m.onnx"
        copy.symlink_to(network.path.resolve())
        shapes = ",".join("[" + ",".join(map(str, array.shape)) + "]" + {"int64": "i64", "int32": "i32"}.get(str(array.dtype), "f32")
                          for array in network.feeds().values())
        call([pathlib.Path(home) / "pnnx", copy, f"inputshape={shapes}", "fp16=0"], cwd=folder)
        for kind in ("param", "bin"):
            made = copy.with_suffix(f".ncnn.{kind}")
            if not made.exists():
                raise Failed(f"pnnx writes no {kind} file")
            shutil.copy(made, f"{target}.{kind}")
    layers = pathlib.Path(f"{target}.param").read_text().splitlines()[2:]
    unknown = [line.split()[0] for line in layers if line.startswith(("pnnx", "aten", "Tensor."))]
    if unknown:
        raise Failed(f"layers that ncnn doesn't have: {', '.join(sorted(set(unknown)))[:150]}")


def mnn(network, target):
    import onnx
    made = pathlib.Path(f"{target}.mnn")
    try:
        words = call([sys.executable, "-c", MNN, network.path, made])
    except Failed:  # its rewriting of recurrent layers as loops crashes for some
        words = call([sys.executable, "-c", MNN, network.path, made, "--useOriginRNNImpl"])
    if not made.exists():
        raise Failed("writes no file")
    if "Module to run it" in words:
        names = [value.name for value in onnx.load(network.path, load_external_data=False).graph.output]
        made.with_suffix(".module").write_text("\n".join(names))


def litert(network, target, options):
    original = options.shared / "models" / ORIGINALS.get(network.name, "-")
    if original.is_file():
        shutil.copy(original, f"{target}.tflite")
        return
    if not options.onnx2tf:
        raise Failed("no TFLite original, and no onnx2tf was given")
    with tempfile.TemporaryDirectory() as folder:
        # It fetches this file to have some picture for its shape inference; any will do.
        picture = numpy.random.default_rng(1).random((20, 128, 128, 3), dtype=numpy.float32)
        numpy.save(pathlib.Path(folder) / "calibration_image_sample_data_20x128x128x3_float32.npy", picture)
        copy = shutil.copy(network.path, pathlib.Path(folder) / "m.onnx")  # it writes a simplified form over its input
        command = [options.onnx2tf.absolute(), "-i", copy, "-o", folder, "-n", "-rtpo", "Erf"]
        call(command + ["-ois"] + [f"{name}:{','.join(map(str, array.shape))}" for name, array in network.feeds().items()], 600, cwd=folder)
        shutil.copy(next(pathlib.Path(folder).glob("*_float32.tflite")), f"{target}.tflite")


FILES = {"openvino": ".xml", "ncnn": ".param", "mnn": ".mnn", "litert": ".tflite"}


def result_of(engine, network, out):
    """(path, None) of what an engine loads, or (None, reason)."""
    if engine not in FILES:
        return network.path, None
    target = out / engine / network.name
    error = pathlib.Path(f"{target}.error")
    if error.exists():
        return None, f"conversion: {error.read_text()}"
    made = pathlib.Path(f"{target}{FILES[engine]}")
    return (made, None) if made.exists() else (None, "not converted")


def convert(engine, network, options):
    """Makes the file of one engine if it isn't there; options: converted (folder), again, shared, onnx2tf."""
    target = options.converted / engine / network.name
    target.parent.mkdir(parents=True, exist_ok=True)
    error = pathlib.Path(f"{target}.error")
    made, _ = result_of(engine, network, options.converted)
    if made or error.exists() and not options.again:
        return
    error.unlink(missing_ok=True)
    try:
        if engine == "litert":
            litert(network, target, options)
        else:
            {"openvino": openvino, "ncnn": ncnn, "mnn": mnn}[engine](network, target)
    except Exception as failure:  # an absent converter is a result too
        pathlib.Path(f"{target}{FILES[engine]}").unlink(missing_ok=True)
        error.write_text(str(failure))
        print(f"{network.name} for {engine}: {failure}", flush=True)
