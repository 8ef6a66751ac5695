#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""int8 by pith and by ONNX Runtime's quantiser, from the same calibration samples, judged by both engines on other data.

ONNX Runtime's is the best (by its agreement with float on the evaluation data) of its calibrators: min-max, percentile and entropy, all with
QDQ, weights per channel and u8 activations, after its own preparation of the model. pith is what `pith quantize` does
without options. Results are kept by network in the folder, so a run can be made in pieces.
"""
import argparse
import json
import logging
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import metrics
import networks

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings/python"))
import pith  # noqa: E402

METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile, "entropy": CalibrationMethod.Entropy}


class Reader(CalibrationDataReader):
    def __init__(self, samples):
        self.samples = iter(samples)

    def get_next(self):
        return next(self.samples, None)


def run_ort(path, samples):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    return [session.run(None, sample) for sample in samples]


def run_pith(path, samples, library, names):
    model = pith.Model(str(path), threads=1, library=library)
    return [[outputs[name] for name in names] for outputs in (model.run(sample) for sample in samples)]


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
        source = plain(path, folder / "plain.onnx")
    except Exception:
        source = path
    for options in ({}, {"skip_symbolic_shape": True}, {"skip_symbolic_shape": True, "skip_optimization": True}):
        try:
            quant_pre_process(str(source), str(folder / "prepared.onnx"), **options)
            return folder / "prepared.onnx"
        except Exception:
            continue
    return source


def quantize_ort(network, calibration, folder, method):
    target = folder / f"{network.name}.ort_{method}.onnx"
    start = time.time()
    quantize_static(str(prepare(network.path, folder)), str(target), Reader(calibration), quant_format=QuantFormat.QDQ,
                    per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    calibrate_method=METHODS[method])
    return target, time.time() - start


def quantize_pith(network, calibration, folder, program, extra):
    target = folder / f"{network.name}.pith.onnx"
    with tempfile.TemporaryDirectory() as data:
        for i, sample in enumerate(calibration):
            numpy.savez(f"{data}/{i:05}.npz", **sample)
        start = time.time()
        done = subprocess.run([program, "quantize", network.path, "--calib", data, "-o", target, "--json", "--samples", "1000",
                               *extra], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return target, time.time() - start, json.loads(done.stdout)


def judge(network, reference, outputs, labels):
    row = {"sqnr": metrics.sqnr(reference, outputs)}
    name, score = metrics.AGREEMENT[network.kind]
    if score:
        row["agreement"] = score(reference, outputs, network.options.get("threshold"))
    if labels is not None:
        row["top1"] = float(numpy.mean(right(outputs, labels)))
    return row


def right(outputs, labels):
    """A network with one class more than the labels has a background class in front."""
    offset = 1 if outputs[0][0].size == 1001 else 0
    return metrics.classes(outputs) == numpy.array(labels) + offset


def compare(network, arguments):
    folder = arguments.output / "models"
    folder.mkdir(parents=True, exist_ok=True)
    calibration, evaluation, labels = network.make()
    reference = run_ort(network.path, evaluation)
    row = {"name": network.name, "kind": network.kind, "n": len(evaluation), "n_calibration": len(calibration)}
    if labels is not None:
        row["float"] = float(numpy.mean(right(reference, labels)))
    names = [o.name for o in onnxruntime.InferenceSession(str(network.path)).get_outputs()]
    path, seconds, report = quantize_pith(network, calibration, folder, arguments.pith, arguments.extra)
    outputs = {"pith": run_pith(path, evaluation, arguments.library, names)}
    row.update(seconds=seconds, observer=report["observer"], own_sqnr=report["sqnr_db"], stages=report["stages"], float_nodes=len(report["float_nodes"]),
               nodes=report["nodes"], float_ms=report["float_ms"], ms=report["ms"])
    row["pith"] = judge(network, reference, outputs["pith"], labels)
    row["pith_in_ort"] = judge(network, reference, run_ort(path, evaluation), labels)
    if arguments.no_ort:
        return row
    for method in METHODS:
        try:
            path, seconds = quantize_ort(network, calibration, folder, method)
            entry = judge(network, reference, run_ort(path, evaluation), labels)
            try:
                entry["in_pith"] = judge(network, reference, run_pith(path, evaluation, arguments.library, names), labels)
            except Exception as error:
                entry["in_pith_error"] = str(error)[-200:]
            row[f"ort_{method}"] = dict(entry, seconds=seconds)
        except Exception as error:
            row[f"ort_{method}"] = {"error": f"{type(error).__name__}: {error}"[:200]}
    return row


def best_of_ort(row):
    tried = [(m, row[f"ort_{m}"]) for m in METHODS if "sqnr" in row.get(f"ort_{m}", {})]
    return max(tried, key=lambda t: (t[1].get("top1", 0), t[1].get("agreement", 0), t[1]["sqnr"])) if tried else (None, None)


def figure(row, entry):
    if entry is None:
        return "-"
    percent = row["kind"] != "psnr"
    text = f"{100 * entry['top1']:.1f} % " if "top1" in entry else ""
    if "agreement" in entry:
        text += f"{100 * entry['agreement']:.1f} %" if percent else f"{entry['agreement']:.1f} dB"
        text += ", "
    return f"{text}{entry['sqnr']:.1f} dB"


def table(rows):
    lines = ["| network | samples | float | pith | pith's file in ONNX Runtime | ONNX Runtime's quantiser | agreement of |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        method, best = best_of_ort(row)
        wanted = f"{100 * row['float']:.1f} ± {100 * metrics.interval(row['float'], row['n']):.1f} %" if "float" in row else ""
        lines.append(f"| {row['name']} | {row['n_calibration']} / {row['n']} | {wanted} | {figure(row, row['pith'])} | "
                     f"{figure(row, row['pith_in_ort'])} | {figure(row, best)}{f' ({method})' if method else ''} | "
                     f"{metrics.AGREEMENT[row['kind']][0] or 'SQNR only'} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared", help="folder of real models and data")
    parser.add_argument("--only", default="", help="regular expression of names")
    parser.add_argument("--again", action="store_true", help="also networks that have a result")
    parser.add_argument("--no-ort", action="store_true", help="pith only; earlier results of ONNX Runtime stay")
    parser.add_argument("--pith", type=pathlib.Path, default=ROOT / "build/pith")
    parser.add_argument("--library", type=pathlib.Path, default=ROOT / "build/libpith.so")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "build/quantize")
    parser.add_argument("extra", nargs="*", help="options of pith quantize, after --")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(3)
    arguments.output.mkdir(parents=True, exist_ok=True)
    kept = arguments.output / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for network in networks.networks(arguments.shared, ROOT):
        if not re.search(arguments.only, network.name) or (network.name in results and not arguments.again):
            continue
        try:
            row = compare(network, arguments)
        except Exception as error:
            print(f"{network.name}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        results[network.name] = {**results.get(network.name, {}), **row}
        kept.write_text(json.dumps(results, indent=1))
        print(table([results[network.name]]).splitlines()[-1], f"{row['seconds']:.0f} s", flush=True)
    (arguments.output / "table.md").write_text(table(results.values()))


if __name__ == "__main__":
    main()
