#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Average precision of detection.py against pycocotools (to be installed) on random boxes: exits with an error if they differ."""
import contextlib
import io

import numpy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import detection


def random_boxes(generator, n):
    low = generator.uniform(0, 80, (n, 2))
    return numpy.concatenate([low, low + generator.uniform(5, 40, (n, 2)), generator.uniform(0.001, 1, (n, 1)),
                              generator.integers(0, 4, (n, 1))], 1)


def by_pycocotools(reference, found, threshold):
    images, truth, results = [{"id": i + 1} for i in range(len(reference))], [], []
    xywh = lambda row: [float(row[0]), float(row[1]), float(row[2] - row[0]), float(row[3] - row[1])]
    for i, (true, rows) in enumerate(zip(reference, found)):
        truth += [{"id": len(truth) + k + 1, "image_id": i + 1, "category_id": int(r[5]), "bbox": xywh(r), "iscrowd": 0,
                   "area": float((r[2] - r[0]) * (r[3] - r[1]))} for k, r in enumerate(true[true[:, 4] >= threshold])]
        results += [{"image_id": i + 1, "category_id": int(r[5]), "bbox": xywh(r), "score": float(r[4])} for r in rows]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": images, "annotations": truth, "categories": [{"id": c} for c in range(4)]}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return 100 * evaluation.stats[1], 100 * evaluation.stats[0]


def main():
    worst = 0
    for seed in range(20):
        generator = numpy.random.default_rng(seed)
        reference = [random_boxes(generator, int(generator.integers(0, 30))) for _ in range(15)]
        found = []
        for rows in reference:
            moved = rows + numpy.concatenate([generator.uniform(-2, 2, (len(rows), 4)), generator.normal(0, 0.1, (len(rows), 1)),
                                              numpy.zeros((len(rows), 1))], 1)
            rows = numpy.concatenate([moved[generator.random(len(rows)) < 0.9], random_boxes(generator, int(generator.integers(0, 120)))])
            found.append(rows[numpy.argsort(-rows[:, 4], kind="stable")])
        groups = list(range(len(reference)))
        for boxes in (found, reference):
            boxes = [r[numpy.argsort(-r[:, 4], kind="stable")] for r in boxes]
            ours = detection.average_precision(detection.prepare(reference, boxes, 0.4, groups), numpy.ones((1, len(groups))))[0]
            theirs = by_pycocotools(reference, boxes, 0.4)
            worst = max(worst, abs(ours[0] - theirs[0]), abs(ours[1] - theirs[1]))
    print(f"largest difference from pycocotools: {worst:.2e} points; the last, float against itself, is {ours[0]:.1f}, {ours[1]:.1f}")
    assert worst < 1e-6 and abs(ours[1] - 100) < 1e-6


if __name__ == "__main__":
    main()
