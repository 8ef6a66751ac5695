# SPDX-License-Identifier: Apache-2.0
"""int8 forms of the comparison set, and the table of their times: `run.sh --int8`.

pith quantizes each float network once, all of it (`pith quantize --int8 --no-timing`), and pith, onnxruntime and openvino run that one
QDQ file; MNN gets what its own quantiser makes of its converted file, LiteRT the int8 TFLite twin where the shared folder has one.
ncnn's wheel has no quantiser (ncnn2table, ncnn2int8). Outputs are compared with those of the float network: an engine whose
signal-to-noise ratio is far below that of pith's int8 computes something else and doesn't count.
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy

from convert import Failed, call
from engines import ROOT

# Twins in the shared folder, by ONNX file stem. kws: same architecture, other weights.
TWINS = {
    "mlperf_ad01.float": "mlperf_tiny/ad01_int8.tflite", "mlperf_kws_int8.float": "mlperf_tiny/kws_ref_model.tflite",
    "mlperf_resnet8.float": "mlperf_tiny/pretrainedResnet_quant.tflite", "mlperf_vww96.float": "mlperf_tiny/vww_96_int8.tflite",
    "mobilenet_v1_0.25_224.float": "tflite_support/mobilenet_v1_0.25_224_quant.tflite",
    "mobilenet_v2_1.0_224_qat.float": "coral_tflite/mobilenet_v2_1.0_224_quant.tflite", "dtln_model_1": "dtln/model_quant_1.tflite",
}
OTHER_WEIGHTS = {"mlperf_kws_int8.float", "mobilenet_v1_0.25_224.float"}
ENGINES = {"pith": "float", "pith-int8": "qdq", "onnxruntime-int8": "qdq", "openvino-int8": "qdq", "mnn-int8": "mnn8", "litert-int8": "litert8"}
FILES = {"qdq": ".onnx", "mnn8": ".mnn", "litert8": ".tflite"}
# What makes int8 more exact changes no time.
STAGES = "equalization,smoothing,relu6,refinement,rounding,bias-correction"
LEAST_DB, WORSE_DB = 10.0, 6.0
# Its own function: the program of the wheel reports its use and installs packages for that.
MNN_QUANT = "import _tools, sys; _tools.mnnquant(*sys.argv[1:])"


def qdq(network, target):
    with tempfile.TemporaryDirectory() as folder:
        samples = pathlib.Path(folder) / "samples.npz"
        feeds = network.feeds()
        numpy.savez(samples, **{name: array for name, array in feeds.items()})
        fits = len({array.shape[0] if array.ndim else 0 for array in feeds.values()} | {1}) == 1
        shapes = [word for name, array in feeds.items() for word in ("--shape", f"{name}={'x'.join(map(str, array.shape))}")]
        data = ["--calib", samples] if fits else shapes
        call([ROOT / "build/pith", "quantize", network.path, *data, "--int8", "--no-timing", "--observer", "min-max", "--without", STAGES,
              "-o", f"{target}.onnx"])


def mnn8(network, target, converted):
    import cv2
    source = converted / "mnn" / f"{network.name}.mnn"
    if not source.exists():
        raise Failed("no MNN file to quantise")
    pictures = [array for array in network.feeds().values() if array.ndim == 4 and array.shape[1] in (1, 3)]
    if len(pictures) != 1 or len(network.feeds()) != 1:
        raise Failed("its quantiser calibrates with pictures, and the network takes none")
    channels, height, width = pictures[0].shape[1:]
    with tempfile.TemporaryDirectory() as folder:
        images = pathlib.Path(folder) / "images"
        images.mkdir()
        generator = numpy.random.default_rng(1)
        for i in range(4):
            cv2.imwrite(str(images / f"{i}.png"), generator.integers(0, 256, (height, width, 3), dtype=numpy.uint8))
        config = pathlib.Path(folder) / "config.json"
        config.write_text(json.dumps({
            "format": "RGB" if channels == 3 else "GRAY", "mean": [127.5] * channels, "normal": [1 / 58.0] * channels, "width": width,
            "height": height, "path": f"{images}/", "used_image_num": 4, "feature_quantize_method": "KL",
            "weight_quantize_method": "MAX_ABS"}))
        call([sys.executable, "-c", MNN_QUANT, source, f"{target}.mnn", config])
    if not pathlib.Path(f"{target}.mnn").exists():
        raise Failed("writes no file")


def litert8(network, target, shared):
    twin = shared / "models" / TWINS.get(network.name, "-")
    if not twin.is_file():
        raise Failed("no int8 TFLite twin")
    pathlib.Path(f"{target}.tflite").write_bytes(twin.read_bytes())


def result_of(engine, network, converted):
    """(path, None) of what an engine loads, or (None, reason)."""
    kind = ENGINES[engine]
    if kind == "float":
        return network.path, None
    target = converted / kind / network.name
    error, made = pathlib.Path(f"{target}.error"), pathlib.Path(f"{target}{FILES[kind]}")
    if error.exists():
        return None, f"conversion: {error.read_text()}"
    return (made, None) if made.exists() else (None, "not converted")


def prepare(network, options):
    """Makes the files that aren't there."""
    for kind in FILES:
        target = options.converted / kind / network.name
        error, made = pathlib.Path(f"{target}.error"), pathlib.Path(f"{target}{FILES[kind]}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if made.exists() or error.exists() and not options.again:
            continue
        error.unlink(missing_ok=True)
        try:
            if kind == "qdq":
                qdq(network, target)
            elif kind == "mnn8":
                mnn8(network, target, options.converted)
            else:
                litert8(network, target, options.shared)
        except Exception as failure:  # an absent quantiser is a result too
            made.unlink(missing_ok=True)
            error.write_text(str(failure))
            print(f"{network.name} for {kind}: {failure}", flush=True)


def sqnr(expected, got):
    """Decibels over all outputs together; each expected output counts with the one of its size that fits it best."""
    signal = noise = 0.0
    for wanted in expected:
        fitting = [other for other in got if other.size == wanted.size]
        if not fitting:
            return -math.inf
        wanted = wanted.astype(float).ravel()
        signal += float((wanted ** 2).sum())
        noise += min(float(((other.astype(float).ravel() - wanted) ** 2).sum()) for other in fitting)
    return 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else 120.0


def check(row, workers, network):
    arrays = {worker.name: worker.arrays for worker in workers}
    for name in arrays:
        row[name]["sqnr_db"] = sqnr(arrays["pith"], arrays[name]) if "pith" in arrays else None
    ours = row.get("pith-int8", {}).get("sqnr_db")
    for name in arrays:
        least = min(LEAST_DB, ours - WORSE_DB) if ours is not None else LEAST_DB
        is_twin = name == "litert-int8" and network.name in OTHER_WEIGHTS
        row[name]["counts"] = is_twin or row[name]["sqnr_db"] is None or row[name]["sqnr_db"] >= least


# ---- the table ---------------------------------------------------------------------------------------


def peers_of(row):
    return {name: result["ms"] for name, result in row["engines"].items()
            if not name.startswith("pith") and "ms" in result and result.get("counts")}


def cell(result):
    text = f"{result['ms']:.3f}" if result.get("ms", 10) < 10 else f"{result['ms']:.1f}" if "ms" in result else "-"
    return text if result.get("counts", True) or text == "-" else f"({text})"


def geometric(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def line(row):
    return f"{row['network']:44} {row['threads']} thread(s)  " + "  ".join(
        f"{name} {cell(result)}" for name, result in row["engines"].items())


def table(rows):
    names = list(ENGINES)
    lines = ["| network | " + " | ".join(f"{name} ms" for name in names) + " | float / int8 | best peer int8 / pith int8 | SQNR dB |",
             "|" + "---|" * (len(names) + 4)]
    for row in rows:
        engines, peers = row["engines"], peers_of(row)
        ours, plain = engines["pith-int8"].get("ms"), engines["pith"].get("ms")
        gain = f"{plain / ours:.2f}" if ours and plain else "-"
        best = f"{min(peers.values()) / ours:.2f}" if ours and peers else "-"
        db = engines["pith-int8"].get("sqnr_db")
        lines.append(f"| {row['network']} | " + " | ".join(cell(engines.get(name, {})) for name in names) +
                     f" | {gain} | {best} | {'-' if db is None else f'{db:.0f}'} |")
    return "\n".join(lines) + "\n"


def summary(rows):
    rows = [row for row in rows if "ms" in row["engines"]["pith-int8"]]
    gains = {row["network"]: row["engines"]["pith"]["ms"] / row["engines"]["pith-int8"]["ms"] for row in rows if "ms" in row["engines"]["pith"]}
    against = {row["network"]: min(peers_of(row).values()) / row["engines"]["pith-int8"]["ms"] for row in rows if peers_of(row)}
    slower = [f"{name} ({gain:.2f})" for name, gain in sorted(gains.items(), key=lambda item: item[1]) if gain < 1]
    behind = [f"{name} ({value:.2f})" for name, value in sorted(against.items(), key=lambda item: item[1]) if value < 1]
    return (f"Geometric mean of float / int8 over {len(gains)} networks: {geometric(gains.values()):.2f}; "
            f"of best peer's int8 / pith's int8 over {len(against)}: {geometric(against.values()):.2f}. "
            f"All-int8 is slower than float on: {', '.join(slower) or 'none'}. pith's int8 is behind on: {', '.join(behind) or 'none'}.\n")


def missing(rows):
    lines = [f"- {row['network']}, {name}: " + (" ".join(result.get("error", "no result").split()) if "ms" not in result else
                                                f"{result['sqnr_db']:.0f} dB from the float network, so not counted")
             for row in rows for name, result in row["engines"].items() if "ms" not in result or not result.get("counts", True)]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def write(out):
    rows = [json.loads(path.read_text()) for path in sorted((out / "results8").glob("*.json"))]
    text = ["# int8: pith and its peers\n", __doc__.split("\n\n", 1)[1]]
    for threads in sorted({row["threads"] for row in rows}):
        chosen = [row for row in rows if row["threads"] == threads]
        text += [f"## {threads} thread(s)\n", summary(chosen), table(chosen)]
    text += ["## What is missing\n", missing(rows)]
    (out / "table8.md").write_text("\n".join(text))
    (out / "results8.json").write_text(json.dumps(rows, indent=1))
