# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the exported model on held-out font families and held-out words.

    python evaluate.py MODEL.onnx --fonts fonts.json --lines 200

Each line is recognised on its own, as an application would: scaled to 32 rows,
padded on the right to a multiple of 8.
"""

import argparse
import json
from collections import Counter

import numpy as np
import onnxruntime
from PIL import Image

import fonts
import render
import words

# name: (undamaged, prose only, margin added above and below / line height).
# Prose is dictionary words with punctuation; otherwise the text is the mix of
# words, numbers, addresses, code and random strings that training uses too.
CONDITIONS = {
    "clean prose": (True, True, 0),
    "clean mixed": (True, False, 0),
    "degraded prose": (False, True, 0),
    "degraded mixed": (False, False, 0),
    "loose crop prose": (True, True, 0.2),
}


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def greedy(best):
    """Best class per frame -> class list: repeats merged, blanks dropped."""
    keep = np.ones(len(best), bool)
    keep[1:] = best[1:] != best[:-1]
    return [int(c) for c in best[keep & (best != 0)]]


def to_text(classes):
    return "".join(chr(c - 1 + 0x20) for c in classes)


def prepare(pixels, pad_value=128):
    """uint8 [32, W] -> float32 [1, 1, 32, multiple of 8]."""
    padded = -(-pixels.shape[1] // 8) * 8
    x = np.full((1, 1, 32, padded), pad_value, np.float32)
    x[0, 0, :, :pixels.shape[1]] = pixels
    return (x - 127.5) / 127.5


class Recogniser:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    def __call__(self, pixels):
        (logp,) = self.session.run(None, {"image": prepare(pixels)})
        return to_text(greedy(logp[0].argmax(1)))


class Score:
    def __init__(self):
        self.wrong = self.chars = self.words_right = self.words = self.lines_right = self.lines = 0

    def add(self, truth, read):
        self.wrong += edit_distance(read, truth)
        self.chars += len(truth)
        # A word counts when it was read whole, at its place or elsewhere.
        have = Counter(read.split())
        for w in truth.split():
            self.words += 1
            if have[w] > 0:
                have[w] -= 1
                self.words_right += 1
        self.lines += 1
        self.lines_right += truth == read

    def figures(self):
        return {"characters": round(100 * (1 - self.wrong / self.chars), 2),
                "words": round(100 * self.words_right / self.words, 2),
                "lines": round(100 * self.lines_right / self.lines, 2),
                "n_lines": self.lines, "n_characters": self.chars}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("model")
    ap.add_argument("--fonts", default="fonts.json")
    ap.add_argument("--lines", type=int, default=200, help="per family and condition")
    ap.add_argument("--seed", type=int, default=4242)
    ap.add_argument("--json", help="write the figures here too")
    args = ap.parse_args()
    read = Recogniser(args.model)
    families = fonts.load(args.fonts)["test"]
    result, total = {}, {}
    confusions = Counter()
    for condition, (plain, prose, margin) in CONDITIONS.items():
        total[condition] = Score()
        for n, (family, paths) in enumerate(families.items()):
            rng = np.random.default_rng((args.seed, n, plain, prose))
            maker = words.TextMaker("test", rng)
            score = Score()
            while score.lines < args.lines:
                text = maker.sentence()[:48].strip() if prose else maker.line(48)
                path = paths[int(rng.integers(len(paths)))]
                image = np.asarray(render.render_full(text, path, rng, plain))
                rows = round(margin * image.shape[0])
                image = np.pad(image, ((rows, rows), (0, 0)), "edge")
                got = read(np.asarray(render.to_height(Image.fromarray(image))))
                score.add(text, got)
                total[condition].add(text, got)
                if plain and not margin and len(got) == len(text):
                    confusions.update((a, b) for a, b in zip(text, got) if a != b)
            result.setdefault(family, {})[condition] = score.figures()
    conditions = list(total)
    print("| family | kind | " + " | ".join(conditions) + " |")
    print("| --- | --- |" + " --- |" * len(conditions))
    cell = lambda f: f"{f['characters']:.2f} / {f['words']:.1f}"
    for family, by in result.items():
        print(f"| {family} | {fonts.KIND[family]} | " + " | ".join(cell(by[c]) for c in conditions) + " |")
    print("| **all** | | " + " | ".join(cell(total[c].figures()) for c in conditions) + " |")
    print({c: total[c].figures() for c in conditions})
    print("most frequent confusions, clean (truth, read):", confusions.most_common(20))
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"families": result, "all": {c: t.figures() for c, t in total.items()}}, f, indent=1)


if __name__ == "__main__":
    main()
