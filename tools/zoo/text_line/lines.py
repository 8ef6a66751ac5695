# SPDX-License-Identifier: Apache-2.0
"""Lines to judge with, and to calibrate with: each held-out family in five conditions, easy and hard.

    python lines.py ../../../models/text_line/lines --fonts fonts.json

Texts, faces and seeds were fixed before the model had read any of them, and none was replaced afterwards. Files are
named FAMILY_CONDITION.png; truth.txt has file name, tab, text. Pictures have 16 grey levels, which keeps them small.
"""

import argparse
import os

import numpy as np
from PIL import Image, ImageFilter

import fonts
import render
import words

CONDITIONS = ("clean", "blur", "noise", "slant", "faint")
LEVELS = 16


def line_of(text, path, rng, condition):
    em = int(rng.integers(20, 34))
    ink, box = render.draw_ink(text, render.face(path, em), em, rng, True)
    if condition == "slant":  # letters lean, and the line falls by a twelfth of its height
        height = box[3] - box[1]
        lean, fall = rng.uniform(.15, .3) * rng.choice([-1, 1]), height / 12 / max(box[2] - box[0], 1)
        ink = ink.transform(ink.size, Image.AFFINE, (1, lean, -lean * ink.height / 2, fall, 1, 0), Image.BILINEAR)
    image = np.asarray(render.crop(ink, box, rng, True), float)
    if condition == "blur":
        image = np.asarray(Image.fromarray(image.astype(np.uint8)).filter(ImageFilter.GaussianBlur(em * .04)), float)
    paper, dark = (130.0, 85.0) if condition == "faint" else (245.0, 25.0)
    image = paper + (dark - paper) * image / 255
    if condition == "noise":
        image += rng.normal(0, 25, image.shape)
    if condition == "faint":  # light falls off along the line
        image *= np.linspace(1.2, 0.8, image.shape[1])[None]
    step = 255 / (LEVELS - 1)
    return Image.fromarray((np.round(np.clip(image, 0, 255) / step) * step).astype(np.uint8))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--fonts", default="fonts.json")
    args = ap.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    truth = []
    for family_seed, (family, paths) in enumerate(fonts.load(args.fonts)["test"].items()):
        for seed, condition in enumerate(CONDITIONS):
            rng = np.random.default_rng([family_seed, seed])
            maker = words.TextMaker("test", rng)
            text = maker.sentence()[:26].strip() if seed % 2 else maker.line(26)
            image = line_of(text, paths[int(rng.integers(len(paths)))], rng, condition)
            name = f"{family.lower().replace(' ', '_')}_{condition}.png"
            palette = image.quantize(LEVELS, dither=Image.Dither.NONE)  # exact: there are no more
            palette.save(os.path.join(args.folder, name), bits=4, optimize=True)
            truth.append(f"{name}\t{text}\n")
    with open(os.path.join(args.folder, "truth.txt"), "w", encoding="ascii") as file:
        file.writelines(truth)


if __name__ == "__main__":
    main()
