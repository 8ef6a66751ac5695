# SPDX-License-Identifier: Apache-2.0
"""How far the outputs of a quantised network are from the float network's, in the terms of the network's task.

Every metric takes lists of outputs (a list per sample) and gives a score between 0 and 1 against the float network's.
"""
import math

import numpy


def sqnr(reference, outputs):
    """dB; the mean over outputs."""
    values = []
    for i in range(len(reference[0])):
        signal = sum(float((r[i].astype(numpy.float64) ** 2).sum()) for r in reference)
        noise = sum(float(((r[i].astype(numpy.float64) - o[i]) ** 2).sum()) for r, o in zip(reference, outputs))
        values.append(min(10 * math.log10(signal / noise), 120) if noise > 0 and signal > 0 else 120.0)
    return sum(values) / len(values)


def interval(score, n):
    """Half of the 95 % interval (Wilson's, at its wider side)."""
    z = 1.96
    centre, half = (score + z * z / (2 * n)) / (1 + z * z / n), z * math.sqrt(score * (1 - score) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(abs(centre + half - score), abs(score - centre + half))


def classes(outputs):
    return numpy.array([int(o[0].argmax()) for o in outputs])


def overlap(reference, outputs):
    """F1 of two lists of boolean arrays."""
    both = sum(int((a & b).sum()) for a, b in zip(reference, outputs))
    all_ = sum(int(a.sum() + b.sum()) for a, b in zip(reference, outputs))
    return 2 * both / all_ if all_ else 1.0


def same(axis):
    def compare(reference, outputs, _):
        pairs = [(r[0].argmax(axis), o[0].argmax(axis)) for r, o in zip(reference, outputs)]
        return sum(int((a == b).sum()) for a, b in pairs) / sum(a.size for a, _ in pairs)
    return compare


def found(score):
    """Cells whose score passes the threshold."""
    return lambda reference, outputs, threshold: overlap([score(r) > threshold for r in reference],
                                                         [score(o) > threshold for o in outputs])


def psnr(reference, outputs, _):
    errors = [float(((numpy.clip(r[0], 0, 1) - numpy.clip(o[0], 0, 1)) ** 2).mean()) for r, o in zip(reference, outputs)]
    return float(numpy.mean([-10 * math.log10(max(e, 1e-12)) for e in errors]))


AGREEMENT = {
    "top1": ("same class", same(-1)),
    "frames": ("same symbols", same(-1)),
    "pixels": ("same pixels", same(1)),
    "mask": ("mask F1", found(lambda o: o[0])),
    "faces": ("found F1", found(lambda o: o[0][..., 1])),
    "faces12": ("found F1", found(lambda o: numpy.concatenate([numpy.sqrt(numpy.abs(o[i] * o[i + 3])) for i in range(3)], 1))),
    "yolox": ("found F1", found(lambda o: o[0][..., 4] * o[0][..., 5:].max(-1))),
    "fastestdet": ("found F1", found(lambda o: numpy.abs(o[0][:, 0]) ** 0.6 * numpy.abs(o[0][:, 5:].max(1)) ** 0.4)),
    "psnr": ("PSNR dB", psnr),
    "signal": (None, None),
}
