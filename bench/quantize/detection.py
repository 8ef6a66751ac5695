# SPDX-License-Identifier: Apache-2.0
"""Boxes of the detectors, and how far a quantised detector's are from the float network's.

Average precision as COCO's evaluation defines it, but the truth is what the float network finds with a score above its
threshold, so that float has 100 by construction: a figure of fidelity, not of how well objects are found. Predictions go
down to a score of 0.001, 100 of a class at most. `test_detection.py` compares with pycocotools.
"""
import numpy

IOUS = numpy.linspace(0.5, 0.95, 10)
RECALLS = numpy.linspace(0, 1, 101)
LEAST, MOST = 0.001, 100


def grid(size, stride):
    """(column, row) of each cell."""
    n = size // stride
    return numpy.stack(numpy.meshgrid(numpy.arange(n), numpy.arange(n)), -1).reshape(-1, 2)


def corners(centre, sizes):
    return numpy.concatenate([centre - sizes / 2, centre + sizes / 2], -1)


def priors(size):
    """Of UltraFace: centre and size as fractions of the picture, for each cell of the four grids and each size of its boxes."""
    rows = []
    for stride, least in ((8, (10, 16, 24)), (16, (32, 48)), (32, (64, 96)), (64, (128, 192, 256))):
        for y in range(-(-size[1] // stride)):
            for x in range(-(-size[0] // stride)):
                rows += [((x + 0.5) * stride / size[0], (y + 0.5) * stride / size[1], n / size[0], n / size[1]) for n in least]
    return numpy.clip(rows, 0, 1)


def ultraface(outputs, size):
    """Scores of background and face; boxes relative to priors, with SSD's variances 0.1 and 0.2 (Liu et al., arXiv 1512.02325)."""
    scores, boxes = outputs[0][0], outputs[1][0].astype(numpy.float64)
    prior = priors(size)
    centre, sizes = prior[:, :2] + 0.1 * boxes[:, :2] * prior[:, 2:], prior[:, 2:] * numpy.exp(0.2 * boxes[:, 2:])
    return corners(centre, sizes) * numpy.array([*size, *size]), scores[:, 1], numpy.zeros(len(boxes), int)


def yunet(outputs, size):
    """class, objectness, box and landmarks for each of the strides 8, 16, 32."""
    boxes, scores = [], []
    for i, stride in enumerate((8, 16, 32)):
        cls, obj, box = (outputs[k + i][0].astype(numpy.float64) for k in (0, 3, 6))
        boxes.append(corners((grid(size[0], stride) + box[:, :2]) * stride, numpy.exp(box[:, 2:]) * stride))
        scores.append(numpy.sqrt(numpy.clip(cls, 0, 1) * numpy.clip(obj, 0, 1))[:, 0])
    return numpy.concatenate(boxes), numpy.concatenate(scores), numpy.zeros(sum(map(len, scores)), int)


def yolox(outputs, size):
    """Centre and size relative to the grids of the strides 8, 16, 32; objectness; classes. The best class counts."""
    rows = outputs[0][0].astype(numpy.float64)
    strides = numpy.concatenate([numpy.full((size[0] // s) ** 2, s) for s in (8, 16, 32)])[:, None]
    cells = numpy.concatenate([grid(size[0], s) for s in (8, 16, 32)])
    boxes = corners((rows[:, :2] + cells) * strides, numpy.exp(numpy.minimum(rows[:, 2:4], 20)) * strides)
    return boxes, rows[:, 4] * rows[:, 5:].max(-1), rows[:, 5:].argmax(-1)


def fastestdet(outputs, size):
    """A map of objectness, four numbers for the box, classes."""
    rows = outputs[0][0].astype(numpy.float64).reshape(outputs[0].shape[1], -1).T
    stride = size[0] // outputs[0].shape[-1]
    centre = (grid(size[0], stride) + numpy.tanh(rows[:, 1:3])) * stride
    boxes = corners(centre, 1 / (1 + numpy.exp(-rows[:, 3:5])) * size[0])
    return boxes, numpy.abs(rows[:, 0]) ** 0.6 * numpy.abs(rows[:, 5:].max(-1)) ** 0.4, rows[:, 5:].argmax(-1)


# decoder, width and height of the input, overlap above which the lower score goes
DECODERS = {"ultraface": (ultraface, (320, 240), 0.5), "yunet": (yunet, (320, 320), 0.3),
            "yolox_nano": (yolox, (416, 416), 0.45), "fastestdet": (fastestdet, (352, 352), 0.45)}


def overlaps(a, b):
    low, high = numpy.maximum(a[:, None, :2], b[None, :, :2]), numpy.minimum(a[:, None, 2:4], b[None, :, 2:4])
    both = numpy.clip(high - low, 0, None).prod(-1)
    area = lambda boxes: (boxes[:, 2:4] - boxes[:, :2]).prod(-1)
    return both / numpy.maximum(area(a)[:, None] + area(b)[None] - both, 1e-12)


def suppress(boxes, limit):
    """Greedy, for boxes in order of falling score; the first 100."""
    kept, alive = [], numpy.arange(len(boxes))
    while len(alive) and len(kept) < MOST:
        kept.append(alive[0])
        alive = alive[overlaps(boxes[alive[:1]], boxes[alive])[0] <= limit]
        alive = alive[alive != kept[-1]]
    return kept


def detect(kind, outputs):
    """Rows of x0, y0, x1, y1, score, class."""
    decode, size, limit = DECODERS[kind]
    boxes, scores, classes = decode(outputs, size)
    rows = numpy.concatenate([boxes, scores[:, None], classes[:, None]], 1).astype(numpy.float64)
    rows = rows[rows[:, 4] >= LEAST]
    rows = rows[numpy.argsort(-rows[:, 4], kind="stable")]
    parts = [rows[rows[:, 5] == c] for c in numpy.unique(rows[:, 5])]
    return numpy.concatenate([p[suppress(p, limit)] for p in parts] or [rows])


def matches(found, truth):
    """[len(IOUS), len(found)]: is it one of the truth that nothing before was? `found` in order of falling score."""
    hits = numpy.zeros((len(IOUS), len(found)), bool)
    if not len(found) or not len(truth):
        return hits
    iou = overlaps(found, truth)
    for k, limit in enumerate(IOUS):
        free = numpy.ones(len(truth), bool)
        for i in numpy.flatnonzero(iou.max(1) >= limit - 1e-10):
            best = numpy.where(free, iou[i], -1)
            j = len(best) - 1 - int(best[::-1].argmax())
            if best[j] >= min(limit, 1 - 1e-10):
                hits[k, i], free[j] = True, False
    return hits


def prepare(reference, found, threshold, groups):
    """Per class: scores in falling order, group and hits of each; how many are true in each group."""
    n_groups, classes = max(groups) + 1, {}
    for group, true, rows in zip(groups, reference, found):
        true = true[true[:, 4] >= threshold]
        for c in numpy.unique(numpy.concatenate([true[:, 5], rows[:, 5]])):
            mine, wanted = rows[rows[:, 5] == c], true[true[:, 5] == c]
            entry = classes.setdefault(c, [[], [], [], numpy.zeros(n_groups)])
            entry[0].append(mine[:, 4])
            entry[1].append(numpy.full(len(mine), group))
            entry[2].append(matches(mine, wanted))
            entry[3][group] += len(wanted)
    ready = []
    for scores, owner, hits, n_true in classes.values():
        scores, owner, hits = numpy.concatenate(scores), numpy.concatenate(owner), numpy.concatenate(hits, 1)
        order = numpy.argsort(-scores, kind="stable")
        ready.append((scores[order], owner[order], hits[:, order], n_true))
    return ready


def average_precision(ready, weights):
    """[rows of weights, (AP50, AP50:95)] in percent; `weights` says how often each group counts."""
    total, n_classes = numpy.zeros((len(weights), len(IOUS))), numpy.zeros(len(weights))
    for _, owner, hits, n_true in ready:
        wanted = weights @ n_true
        n_classes += wanted > 0
        share = weights[:, owner] if len(owner) else numpy.zeros((len(weights), 0))
        for k in range(len(IOUS)):
            right, all_ = numpy.cumsum(share * hits[k], 1), numpy.cumsum(share, 1)
            precision = right / numpy.maximum(all_, 1e-12)
            precision = numpy.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
            for b in numpy.flatnonzero(wanted):
                at = numpy.searchsorted(right[b] / wanted[b], RECALLS, side="left")
                total[b, k] += precision[b, at[at < share.shape[1]]].sum() / len(RECALLS)
    mean = 100 * total / numpy.maximum(n_classes, 1)[:, None]
    return numpy.stack([mean[:, 0], mean.mean(1)], 1)


def f1(ready, threshold, weights):
    """Of the boxes above the threshold, at an overlap of one half; percent."""
    right, all_ = numpy.zeros(len(weights)), numpy.zeros(len(weights))
    for scores, owner, hits, n_true in ready:
        shown = scores >= threshold
        share = weights[:, owner[shown]]
        right += 2 * (share * hits[0][shown]).sum(1)
        all_ += share.sum(1) + weights @ n_true
    return 100 * right / numpy.maximum(all_, 1e-12)
