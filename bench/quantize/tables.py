# SPDX-License-Identifier: Apache-2.0
"""Markdown of what compare.py kept."""
import json
import pickle

import numpy

import judge
import make
import metrics

FILES = {"int8": "`--int8`", "default": "default", "drop": "`--max-drop 0.5`"}
RUINED_FILES = {"raw_tensor": "raw, per tensor", "raw_channel": "raw, per channel", "tensor": "pith, per tensor", "int8": "pith `--int8`",
                "default": "pith, default"}
_figures = {}


def stored(folder, network, variant):
    """Figures of a file with those of all draws, or None."""
    path = judge.path_of(folder, network, variant)
    if not path.exists():
        return None
    if path not in _figures:
        kept = pickle.loads(path.read_bytes())
        boxes = None
        if "boxes" in kept["facts"]:
            boxes = pickle.loads(judge.path_of(folder, network, "float").read_bytes())["facts"]["boxes"]
        groups = kept["groups"][:len(kept["facts"]["signal_noise"])]
        _figures[path] = metrics.figures(network, kept["facts"], groups, boxes)
    return _figures[path]


def figure_of(values):
    """What counts: the agreement, or else the noise."""
    return values["agreement"] if "agreement" in values else values["sqnr"]


def best_of_ort(folder, network, per_channel=True):
    """The calibrator with the best agreement with float."""
    tried = {v: stored(folder, network, v) for v, (_, c) in make.ORT.items() if c == per_channel}
    tried = {v: values for v, values in tried.items() if values}
    return max(tried, key=lambda v: (figure_of(tried[v])[0], tried[v]["sqnr"][0])) if tried else None


def times(folder, network):
    path = folder / "times" / f"{network.name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def number(ms):
    return f"{ms:.3f}" if ms < 1 else f"{ms:.2f}" if ms < 10 else f"{ms:.1f}"


def with_interval(values, digits=1):
    low, high = metrics.interval(values)
    return f"{values[0]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def agreement(values):
    """With the interval; detectors have more than one figure."""
    if "agreement" not in values:
        return "-"
    if "ap50" in values:
        return f"{with_interval(values['agreement'])}; {values['ap50'][0]:.1f}; {values['f1'][0]:.1f}"
    return with_interval(values["agreement"])


def difference(ours, theirs):
    """Ours minus theirs on the same samples: figure, interval, verdict."""
    if theirs is None:
        return "it fails"
    n = min(len(figure_of(ours)), len(figure_of(theirs)))
    both = figure_of(ours)[:n] - figure_of(theirs)[:n]
    low, high = metrics.interval(both)
    verdict = "better" if low > 0 else "worse" if high < 0 else "same"
    return f"{both[0]:+.1f} ({low:+.1f} to {high:+.1f}), {verdict}"


def kib(path):
    return f"{path.stat().st_size / 1024:.0f}" if path.exists() else "-"


def row_of(folder, network, variant, label, theirs, ms):
    values = stored(folder, network, variant)
    if values is None:
        return None
    top1 = f"{values['top1'][0]:.1f}" if "top1" in values else ""
    key = "ort_minmax" if variant in make.ORT else variant
    time = number(ms[key]) if key in ms else "-"
    against = difference(values, theirs) if variant in FILES else ""
    return (f"| {label} | {agreement(values)} | {top1} | {values['sqnr'][0]:.1f} | {time} | "
            f"{kib(make.file_of(folder, network, variant))} | {against} |")


def rows_of(folder, network):
    ms, best = times(folder, network), best_of_ort(folder, network)
    theirs = stored(folder, network, best) if best else None
    known = stored(folder, network, "float")
    if known is None:
        return []
    kept = pickle.loads(judge.path_of(folder, network, "float").read_bytes())
    top1 = f"{known['top1'][0]:.1f}" if "top1" in known else ""
    what, unit, _ = metrics.AGREEMENT[network.kind]
    samples = f"{len(kept['facts']['signal_noise'])} of {max(kept['groups']) + 1}"
    lines = [f"| **{network.name}**, {samples}, float | {f'{what} {unit}'.strip() if what else 'SQNR'} | {top1} | | "
             f"{number(ms['float']) if ms else '-'} | {kib(network.path)} | |"]
    lines += [row_of(folder, network, v, label, theirs, ms) for v, label in FILES.items()]
    if best:
        lines.append(row_of(folder, network, best, f"ONNX Runtime, {make.ORT[best][0]}", theirs, ms))
    return [line for line in lines if line]


def main_table(folder, networks):
    lines = ["| file | agreement with float (95 %) | top-1 % | SQNR dB | ms | KiB | pith minus ONNX Runtime (95 %) |", "|---|---|---|---|---|---|---|"]
    for network in networks:
        if "spread" not in network.options:
            lines += rows_of(folder, network)
    return "\n".join(lines) + "\n"


def short(values):
    if values is None:
        return "-"
    text = f"{values['top1'][0]:.1f} %, " if "top1" in values else ""
    text += f"{values['agreement'][0]:.1f} %, " if "agreement" in values else ""
    return f"{text}{values['sqnr'][0]:.1f} dB"


def ruined_table(folder, networks, names):
    lines = ["| network | float | " + " | ".join(RUINED_FILES.values()) + " | ONNX Runtime, per tensor | per channel |",
             "|---" * (len(RUINED_FILES) + 4) + "|"]
    for network in networks:
        known = stored(folder, network, "float")
        if known is None or not (network.name in names or "spread" in network.options):
            continue
        cells = [short(stored(folder, network, v)) for v in RUINED_FILES]
        for per_channel in (False, True):
            best = best_of_ort(folder, network, per_channel)
            cells.append(short(stored(folder, network, best) if best else None))
        top1 = f"{known['top1'][0]:.1f} %" if "top1" in known else ""
        lines.append(f"| {network.name} | {top1} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def bits4_table(folder, networks):
    lines = ["| network | float | all int4 | KiB | mixed, `--max-size` | KiB |", "|---|---|---|---|---|---|"]
    for network in networks:
        if stored(folder, network, "bits4"):
            cells = [f"{short(stored(folder, network, v))} | {kib(make.file_of(folder, network, v))}" for v in ("bits4_uniform", "bits4")]
            lines.append(f"| {network.name} | {stored(folder, network, 'float')['top1'][0]:.1f} % | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def engines(folder, networks):
    """How far pith's default file is from itself in ONNX Runtime, on some samples."""
    worst = []
    for network in networks:
        other = stored(folder, network, "default_in_ort")
        if other:
            kept = pickle.loads(judge.path_of(folder, network, "default").read_bytes())["facts"]["signal_noise"]
            n = len(pickle.loads(judge.path_of(folder, network, "default_in_ort").read_bytes())["facts"]["signal_noise"])
            step = max(len(kept) // judge.N_CHECKED, 1)
            ours = metrics.sqnr(numpy.array(kept[::step][:n]).sum(0, keepdims=True))[0]
            worst.append((abs(ours - other["sqnr"][0]), network.name, ours, other["sqnr"][0]))
    return "\n".join(f"{name}: pith {a:.2f} dB, ONNX Runtime {b:.2f} dB" for _, name, a, b in sorted(worst, reverse=True)) + "\n"


def everything(folder, networks, ruined):
    return "\n".join([main_table(folder, networks), ruined_table(folder, networks, ruined), bits4_table(folder, networks),
                      "The same file in both engines:\n\n" + engines(folder, networks)])
