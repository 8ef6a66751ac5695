# SPDX-License-Identifier: Apache-2.0
"""Quantised files of a network, by pith and by ONNX Runtime's quantiser, from the same calibration samples.

ONNX Runtime: QDQ, u8 activations, s8 weights, after its own preparation of the model, by each of its calibrators.
"""
import json
import logging
import subprocess
import tempfile
import time

import numpy
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

EVERYTHING = ["--int8", "--no-timing"]
CURES = "equalization,absorption,smoothing,splitting,relu6,refinement,rounding,adaround,bias-correction,widening"
RAW = [*EVERYTHING, "--observer", "min-max", "--without", CURES]

# options of `pith quantize`
PITH = {
    "int8": EVERYTHING,
    "default": [],
    "drop": ["--max-drop", "0.5", "--no-timing"],
    "tensor": [*EVERYTHING, "--per-tensor"],
    "raw_tensor": [*RAW, "--per-tensor"],
    "raw_channel": RAW,
    "bits4": ["--no-timing"],           # and --max-size, see four_bits()
    "bits4_uniform": ["--weights", "int4"],
}
METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile, "entropy": CalibrationMethod.Entropy}
# calibrator, weights per channel
ORT = {**{f"ort_{m}": (m, True) for m in METHODS}, **{f"ort_tensor_{m}": (m, False) for m in METHODS}}


class Reader(CalibrationDataReader):
    def __init__(self, samples):
        self.samples = iter(samples)

    def get_next(self):
        return next(self.samples, None)


def plain(path, target):
    """Weights that the file also lists as inputs are no inputs; old opsets become 13, which per-channel QDQ needs."""
    model = onnx.load(path)
    weights = {w.name for w in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    if max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1) < 13:
        model = onnx.version_converter.convert_version(model, 13)
    onnx.save(model, target)
    return target


def prepare(path, folder):
    """ONNX Runtime's own preparation, or what of it works."""
    try:
        source = plain(path, f"{folder}/plain.onnx")
    except Exception:
        source = path
    for options in ({}, {"skip_symbolic_shape": True}, {"skip_symbolic_shape": True, "skip_optimization": True}):
        try:
            quant_pre_process(str(source), f"{folder}/prepared.onnx", **options)
            return f"{folder}/prepared.onnx"
        except Exception:
            continue
    return source


def by_ort(network, variant, calibration, target):
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(3)
    method, per_channel = ORT[variant]
    with tempfile.TemporaryDirectory() as folder:
        quantize_static(str(prepare(network.path, folder)), str(target), Reader(calibration), quant_format=QuantFormat.QDQ,
                        per_channel=per_channel, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        calibrate_method=METHODS[method])
    return {}


def four_bits(network, folder):
    """Size of the int8 file if its weights had 4 bits on average: --max-size holds for the whole file."""
    weights = sum(numpy.prod(w.dims) for w in onnx.load(network.path).graph.initializer if len(w.dims) > 1)
    return int(file_of(folder, network, "int8").stat().st_size - 0.5 * weights)


def by_pith(network, variant, calibration, target, settings):
    options = [*PITH[variant], *settings.extra]
    if variant == "bits4":
        options += ["--max-size", str(four_bits(network, settings.output))]
    with tempfile.TemporaryDirectory() as data:
        for i, sample in enumerate(calibration):
            numpy.savez(f"{data}/{i:05}.npz", **sample)
        done = subprocess.run([settings.pith, "quantize", network.path, "--calib", data, "-o", target, "--json", "--samples", "1000",
                               "--threads", "1", *options], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{"):])[0]


def file_of(folder, network, variant):
    return folder / "models" / f"{network.name}.{variant}.onnx"


def error_of(folder, network, variant):
    return file_of(folder, network, variant).with_suffix(".error")


def make(network, variant, settings):
    """The file, and a .json with the report and the seconds; an .error where that fails."""
    target = file_of(settings.output, network, variant)
    target.parent.mkdir(parents=True, exist_ok=True)
    calibration = network.make()[0]
    start = time.time()
    try:
        report = (by_pith(network, variant, calibration, target, settings) if variant in PITH
                  else by_ort(network, variant, calibration, target))
    except Exception as error:
        error_of(settings.output, network, variant).write_text(f"{type(error).__name__}: {error}"[:500])
        return f"{network.name} {variant}: {type(error).__name__}: {error}"[:200]
    report["seconds"], report["n_calibration"] = time.time() - start, len(calibration)
    target.with_suffix(".json").write_text(json.dumps(report))
    return f"{network.name} {variant}: {report['seconds']:.0f} s, {target.stat().st_size} bytes"
