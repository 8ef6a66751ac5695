# SPDX-License-Identifier: Apache-2.0
"""Sample pictures and reference tensors that ship with the model.

    python samples.py ../../../models/text_line --fonts fonts.json

The texts, faces and seeds below were fixed before the model had read any of
them, and none was replaced afterwards; the words are held-out ones.
"""

import argparse
import os

import numpy as np
from PIL import Image, ImageFilter, ImageOps

import fonts
import render
import words
from evaluate import Recogniser, greedy, prepare, to_text

# file, family, face index, seed, size in pixels, what was done to it
SAMPLES = (
    ("serif_clean", "EB Garamond", 2, 1, 44, ""),
    ("sans_title", "Lato", 9, 2, 48, ""),
    ("mono_address", "Inconsolata", 0, 3, 30, ""),
    ("long_line", "Linux Libertine", 4, 4, 36, ""),
    ("inverted", "Inter", 20, 5, 36, "invert"),
    ("noisy", "Courier Prime", 1, 6, 34, "noise"),
    ("small_blurred", "Clear Sans", 4, 7, 20, "blur"),
    ("condensed_tilted", "Yanone Kaffeesatz", 3, 8, 40, "degrade"),
)


def sample_text(name, maker):
    if name == "mono_address":
        return maker.address()
    if name == "sans_title":
        return " ".join(maker.pick(maker.words).capitalize() for _ in range(3)) + " 2047"
    if name == "long_line":
        return " ".join(maker.pick(maker.words) for _ in range(7)) + "."
    if name == "noisy":
        return "Invoice " + maker.number() + " - " + maker.pick(maker.words)
    return maker.sentence()[:40].strip()


def picture(text, path, rng, em, treatment):
    hard = treatment == "degrade"
    ink, box = render.draw_ink(text, render.face(path, em), em, rng, not hard)
    ink = render.crop(ink, box, rng, not hard)
    if hard:
        return render.develop(ink, em, rng, False)
    page = np.full((ink.height, ink.width), 246.) - 226. * np.asarray(ink, float) / 255
    image = Image.fromarray(page.astype(np.uint8))
    if treatment == "invert":
        image = ImageOps.invert(image)
    elif treatment == "noise":
        noisy = 0.55 * page + 70 + rng.normal(0, 18, page.shape)
        image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    elif treatment == "blur":
        image = image.filter(ImageFilter.GaussianBlur(0.8))
    return image


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--fonts", default="fonts.json")
    args = ap.parse_args()
    families = fonts.load(args.fonts)["test"]
    read = Recogniser(os.path.join(args.folder, "text_line.onnx"))
    out = os.path.join(args.folder, "samples")
    os.makedirs(out, exist_ok=True)
    truth, reference = [], None
    for name, family, index, seed, em, treatment in SAMPLES:
        rng = np.random.default_rng(seed)
        text = sample_text(name, words.TextMaker("test", rng))
        paths = families[family]
        image = picture(text, paths[index % len(paths)], rng, em, treatment)
        image.save(os.path.join(out, name + ".png"), optimize=True)
        truth.append(f"{name}.png\t{text}\n")
        pixels = np.asarray(render.to_height(image), np.uint8)
        if reference is None:
            reference = pixels[:, :200]
        got = read(pixels)
        print(f"{'ok   ' if got == text else 'WRONG'} {name}: {text!r} read as {got!r}")
    with open(os.path.join(out, "truth.txt"), "w") as f:
        f.writelines(truth)

    # One input and what ONNX Runtime makes of it, for tests of other engines.
    x = prepare(reference)
    (y,) = read.session.run(None, {"image": x})
    np.savez_compressed(os.path.join(args.folder, "text_line.io.npz"),
                        **{"in/image": x, "out/log_probs": y})
    print("reference input reads", repr(to_text(greedy(y[0].argmax(1)))))


if __name__ == "__main__":
    main()
