# SPDX-License-Identifier: Apache-2.0
"""Draw text lines as the recogniser will meet them: grey, 32 pixels high.

    python render.py OUT_PREFIX --lines 150000 --part train --fonts fonts.json

writes OUT_PREFIX.npz (labels, sizes) and OUT_PREFIX.pix (uint8 pixels, lines
one after another, each 32 rows by its width).
"""

import argparse
import io
import multiprocessing
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import fonts
import words

HEIGHT = 32
MAX_WIDTH = 640
FILTERS = (Image.BILINEAR, Image.BILINEAR, Image.BOX, Image.BICUBIC, Image.LANCZOS)


@lru_cache(maxsize=4096)
def face(path, size):
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def draw_ink(text, font, em, rng, plain):
    """Ink coverage as an 'L' image with roomy margins, plus the line's box.

    The box spans the tallest and deepest letters of the face, drawn or not:
    fonts' own ascent and descent differ too wildly to be of use.
    """
    top, bottom = font.getbbox("bdfhklgjpqyQ()|", anchor="ls")[1::2]
    margin = em
    extra = 0.0
    if not plain and rng.random() < 0.2:
        extra = em * rng.uniform(-0.02, 0.16)
    stroke = 1 if not plain and em > 36 and rng.random() < 0.1 else 0
    advances = [font.getlength(c) + extra for c in text]
    length = sum(advances) if extra else font.getlength(text)
    size = (int(length + 2 * margin), int(bottom - top + 2 * margin))
    x, y = margin, margin - top
    ink = Image.new("L", size, 0)
    draw = ImageDraw.Draw(ink)
    if extra:
        for c, advance in zip(text, advances):
            draw.text((x, y), c, 255, font, anchor="ls", stroke_width=stroke)
            x += advance
    else:
        draw.text((x, y), text, 255, font, anchor="ls", stroke_width=stroke)
    if not plain and em > 40 and rng.random() < 0.06:
        ink = ink.filter(ImageFilter.MinFilter(3))  # worn, thin print
    left, ink_top, right, ink_bottom = ink.getbbox() or (margin, margin, margin + 1, margin + 1)
    box = [left, margin, right, margin + bottom - top]
    if len(text) >= 4 and rng.random() < 0.3:
        # A detector crops to the ink, not to the face's box.
        box[1], box[3] = ink_top, ink_bottom
    if not plain:
        draw = ImageDraw.Draw(ink)
        if rng.random() < 0.06:
            drop = y + em * rng.uniform(0.08, 0.2)
            draw.line((left - 4, drop, right + 4, drop), 255, max(1, int(em * rng.uniform(.03, .08))))
        if rng.random() < 0.08:  # the neighbouring line shows at the edge
            step = (bottom - top) * rng.uniform(1.02, 1.3) * rng.choice([-1, 1])
            draw.text((margin + rng.uniform(-em, em), y + step), text[::-1], 255, font, anchor="ls")
    return ink, box


def crop(ink, box, rng, plain):
    """Cut the line out with an imperfect quadrilateral: margins, tilt, shear."""
    left, top, right, bottom = box
    h = bottom - top
    pad = lambda low, high: h * rng.uniform(low, high)
    left, right = left - pad(0, .35), right + pad(0, .35)
    top, bottom = top - pad(-.02, .16), bottom + pad(-.02, .16)
    quad = np.array([[left, top], [left, bottom], [right, bottom], [right, top]])
    if not plain:
        if rng.random() < 0.4:  # rotation: at most a seventh of the height
            tilt = min(abs(rng.normal(0, .012)) * (right - left), h / 7) * rng.choice([-1, 1])
            quad[:2, 1] -= tilt / 2
            quad[2:, 1] += tilt / 2
        if rng.random() < 0.3:
            shift = h * rng.normal(0, .1)
            quad[[0, 3], 0] += shift
            quad[[1, 2], 0] -= shift
        if rng.random() < 0.3:
            quad += rng.normal(0, .02 * h, (4, 2))
    squeeze = 1.0 if plain else rng.uniform(.88, 1.14)
    w = max(4, round((right - left) * squeeze))
    return ink.transform((w, max(8, round(h if h < 8 else bottom - top))),
                         Image.QUAD, quad.flatten(), Image.BILINEAR)


def smooth_noise(shape, cell, rng):
    """Blotches about `cell` pixels across, unit amplitude."""
    h, w = shape
    small = rng.normal(0, 1, (max(2, h // cell + 2), max(2, w // cell + 2)))
    image = Image.fromarray(small.astype(np.float32))
    return np.asarray(image.resize((w, h), Image.BICUBIC))


def develop(ink, em, rng, plain):
    """From ink coverage to a grey photograph or scan of it."""
    if not plain and rng.random() < 0.45:
        ink = ink.filter(ImageFilter.GaussianBlur(em * rng.uniform(0, .045)))
        if rng.random() < 0.15:
            ink = ink.filter(ImageFilter.BoxBlur((em * rng.uniform(0, .04), 0)))
    cover = np.asarray(ink, np.float32) / 255
    shape = cover.shape
    paper = rng.uniform(150, 255)
    dark = rng.uniform(0, paper - rng.uniform(50, 120))
    if plain:
        paper, dark = rng.uniform(235, 255), rng.uniform(0, 50)
    if not plain and rng.random() < 0.15:
        cover = cover * np.clip(1 - .35 * np.abs(smooth_noise(shape, max(2, int(em / 8)), rng)), .2, 1)
    image = paper + (dark - paper) * cover
    if not plain:
        if rng.random() < 0.35:
            image += rng.uniform(2, 14) * smooth_noise(shape, int(rng.integers(2, 24)), rng)
        if rng.random() < 0.4:
            slope = np.linspace(-1, 1, shape[1])[None] * rng.uniform(-.35, .35)
            slope = slope + np.linspace(-1, 1, shape[0])[:, None] * rng.uniform(-.2, .2)
            image *= 1 + slope
        if rng.random() < 0.5:
            image += rng.normal(0, rng.uniform(1, 18), shape)
        if rng.random() < 0.04:
            spots = rng.random(shape)
            image[spots < .01] = 0
            image[spots > .99] = 255
    if rng.random() < (0.1 if plain else 0.3):
        image = 255 - image
    image = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    if not plain and rng.random() < 0.3:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(rng.integers(18, 80)))
        image = Image.open(stream)
    return image


def render_full(text, path, rng, plain=False):
    """A line at the size it was drawn, before scaling to 32 rows."""
    em = int(round(np.exp(rng.uniform(np.log(18), np.log(64)))))
    if plain:
        em = max(em, 28)
    ink, box = draw_ink(text, face(path, em), em, rng, plain)
    return develop(crop(ink, box, rng, plain), em, rng, plain)


def to_height(image, method=Image.BILINEAR):
    """Scale to 32 rows, aspect ratio kept."""
    w = max(8, round(image.width * HEIGHT / image.height))
    return image.resize((w, HEIGHT), method)


def render_line(text, path, rng, plain=False):
    """uint8 array 32 x W."""
    return np.asarray(to_height(render_full(text, path, rng, plain),
                                FILTERS[int(rng.integers(len(FILTERS)))]), np.uint8)


def make_chunk(job):
    part, families, count, seed = job
    rng = np.random.default_rng(seed)
    maker = words.TextMaker(part, rng)
    keys = list(families)
    pixels, widths, labels, owners = [], [], [], []
    while len(widths) < count:
        key = int(rng.integers(len(keys)))
        paths = families[keys[key]]
        # Most training lines are short: the network is convolutional, and
        # a short line teaches as much per pixel as a long one.
        text = maker.line(48 if rng.random() < .12 else 26)
        plain = rng.random() < .15
        pix = render_line(text, paths[int(rng.integers(len(paths)))], rng, plain)
        if pix.shape[1] > MAX_WIDTH:
            continue
        pixels.append(pix.tobytes())
        widths.append(pix.shape[1])
        labels.append(words.encode(text))
        owners.append(key)
    return b"".join(pixels), widths, labels, owners


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    ap.add_argument("--lines", type=int, default=150000)
    ap.add_argument("--part", choices=("train", "test"), default="train")
    ap.add_argument("--fonts", default="fonts.json")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--workers", type=int, default=2)
    args = ap.parse_args()
    families = fonts.load(args.fonts)[args.part]
    chunk = min(1000, args.lines)
    jobs = [(args.part, families, chunk, (args.seed, i)) for i in range(args.lines // chunk)]
    widths, labels, owners = [], [], []
    with multiprocessing.Pool(args.workers) as pool, open(args.out + ".pix", "wb") as pix:
        for i, (data, w, l, o) in enumerate(pool.imap(make_chunk, jobs)):
            pix.write(data)
            widths += w
            labels += l
            owners += o
            if i % 20 == 19:
                print(f"{len(widths)} lines", flush=True)
    np.savez(args.out + ".npz", widths=np.array(widths, np.int32),
             label_sizes=np.array([len(l) for l in labels], np.int32),
             labels=np.concatenate(labels), owners=np.array(owners, np.int32),
             families=np.array(list(families)))


if __name__ == "__main__":
    main()
