# SPDX-License-Identifier: Apache-2.0
"""How far the outputs of a quantised network are from the float network's, in the terms of the network's task.

Each sample is reduced to a few numbers that may be added up ("facts"); a figure is a function of their sums, so that it
can be had again for samples that are drawn anew (bootstrap over groups: views of one photo go together).
"""
import numpy

import detection

N_DRAWS, N_DRAWS_BOXES = 1000, 100


def signal_noise(reference, output):
    """Powers of each output and of its error."""
    wide = [(r.astype(numpy.float64), o) for r, o in zip(reference, output)]
    return [float((r ** 2).sum()) for r, _ in wide] + [float(((r - o) ** 2).sum()) for r, o in wide]


def sqnr(sums):
    """dB; the mean over outputs. Rows of sums of signal_noise()."""
    signal, noise = numpy.split(sums, 2, axis=1)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        values = 10 * numpy.log10(signal / noise)
    return numpy.where((noise > 0) & (signal > 0), numpy.minimum(values, 120), 120).mean(1)


def ratio(sums):
    """In percent."""
    return 100 * sums[:, 0] / numpy.maximum(sums[:, 1], 1e-30)


def same(axis):
    def facts(reference, output, _):
        a, b = reference[0].argmax(axis), output[0].argmax(axis)
        return [int((a == b).sum()), a.size]
    return facts


def overlap(reference, output, options):
    """F1 of what passes the threshold."""
    a, b = reference[0] > options["threshold"], output[0] > options["threshold"]
    return [2 * int((a & b).sum()), int(a.sum() + b.sum())]


def psnr(reference, output, _):
    error = float(((numpy.clip(reference[0], 0, 1) - numpy.clip(output[0], 0, 1)) ** 2).mean())
    return [-10 * numpy.log10(max(error, 1e-12)), 100]


# kind: name, unit, facts of a sample
AGREEMENT = {
    "top1": ("same class", "%", same(-1)),
    "frames": ("same symbols", "%", same(-1)),
    "pixels": ("same pixels", "%", same(1)),
    "mask": ("mask F1", "%", overlap),
    "psnr": ("PSNR", "dB", psnr),
    "signal": (None, None, None),
    **{kind: ("AP of float's boxes", "", None) for kind in detection.DECODERS},
}


def right(output, label):
    """A network with one class more than the labels has a background class in front."""
    return [int(output[0].argmax()) == label + (output[0].size == 1001), 1]


def draws(n_groups):
    """How often each group counts: once in row 0, then drawn with replacement."""
    drawn = numpy.random.default_rng(17).multinomial(n_groups, numpy.full(n_groups, 1 / n_groups), N_DRAWS)
    return numpy.concatenate([numpy.ones((1, n_groups)), drawn])


def sums_by_draw(facts, groups, weights):
    by_group = numpy.zeros((weights.shape[1], len(facts[0])))
    numpy.add.at(by_group, groups, numpy.asarray(facts, numpy.float64))
    return weights @ by_group


def figures(network, facts, groups, reference_boxes=None):
    """name -> an array, the figure itself in front, then of all draws."""
    weights, values = draws(max(groups) + 1), {}
    values["sqnr"] = sqnr(sums_by_draw(facts["signal_noise"], groups, weights))
    for name in ("agreement", "top1"):
        if name in facts:
            values[name] = ratio(sums_by_draw(facts[name], groups, weights))
    if "boxes" in facts:
        threshold = network.options["threshold"]
        ready = detection.prepare(reference_boxes, facts["boxes"], threshold, groups)
        values["ap50"], values["agreement"] = detection.average_precision(ready, weights[:1 + N_DRAWS_BOXES]).T
        values["f1"] = detection.f1(ready, threshold, weights[:1 + N_DRAWS_BOXES])
    return values


def interval(values):
    """95 % of the draws."""
    return [float(v) for v in numpy.percentile(values[1:], [2.5, 97.5])]
