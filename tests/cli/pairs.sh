#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# PSNR and SSIM of pairs of pictures, against the formulas written down in NumPy.
. "$(dirname "$0")/support.inc"

if ! { command -v python3 >/dev/null && python3 -c 'import numpy' 2>/dev/null; }; then
    skip "pairs: no numpy"
    finish
    exit
fi
if ! "$pith" version | grep -q 'libpng  *built in'; then
    skip "pairs: libpng is not built in"
    finish
    exit
fi

# A network that makes its input darker (by no factor that halves pixels), pictures in three channels and in one, and what is to be found.
cat > make.py <<'END'
import os, struct, zlib
import numpy as np

rng = np.random.default_rng(5)
for name, channels in (("colour", 3), ("grey", 1)):
    open(f"{name}.txt", "w").write(f"""pith-graph 1
graph "less"
input %x:f32[1,{channels},?,?]
const %k:f32[] = {{0.8731}}
%y:f32[1,{channels},?,?] = mul(%x, %k)
output %y
""")
    open(f"{name}.preprocess", "w").write("task = image\nscale = 1/255\n".replace("1/255", repr(1 / 255)))

def save(path, pixels):
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + pixels[y].tobytes() for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

def psnr(a, b):
    return 10 * np.log10(255.0**2 / np.mean((a - b) ** 2))

def ssim(a, b):  # Wang et al. 2004, Gaussian windows of 11 x 11 with sigma 1.5, those that lie inside
    at = np.arange(11) - 5
    g = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * 1.5**2))
    g /= g.sum()
    windows = np.lib.stride_tricks.sliding_window_view
    mean = lambda x: np.einsum("yxij,ij->yx", windows(x, (11, 11)), g)
    ma, mb = mean(a), mean(b)
    va, vb, ab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.mean((2 * ma * mb + c1) * (2 * ab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))

def luma(p):
    return np.rint(16 + (65.481 * p[..., 0] + 128.553 * p[..., 1] + 24.966 * p[..., 2]) / 255)

def tell(what, pairs):
    print(what, "%.4f" % np.mean([psnr(a, b) for a, b in pairs]),
          "%.5f" % np.mean([np.mean([ssim(a[..., c], b[..., c]) for c in range(a.shape[2])]) for a, b in pairs]))

for name, channels in (("colour", 3), ("grey", 1)):
    pairs = []
    os.makedirs(f"{name}/input"), os.makedirs(f"{name}/target")
    for i in range(3):
        ramp = np.add.outer(np.arange(24), np.arange(31))[..., None] * 4.0
        target = np.clip(ramp + rng.normal(0, 12, (24, 31, channels)), 0, 255).astype("uint8")
        source = np.clip(target / 0.8731 + rng.normal(0, 6, target.shape), 0, 255).astype("uint8")
        save(f"{name}/input/{i}.png", source if channels == 3 else source[..., 0])
        save(f"{name}/target/{i}.png", target if channels == 3 else target[..., 0])
        made = np.rint(np.clip(np.float32(0.8731) * source.astype("float32"), 0, 255)).astype(float)
        pairs.append((made, target.astype(float)))
    tell(name, pairs)
    if channels == 3:
        tell("luma", [(luma(a)[..., None], luma(b)[..., None]) for a, b in pairs])

x = rng.random((4, 1, 16, 20)).astype("float32")
y = np.clip(x * 0.85 + rng.normal(0, 0.03, x.shape), 0, 1).astype("float32")
np.savez("data.npz", x=x, y=y)
tell("floats", [(0.8731 * 255.0 * x[i, 0][..., None], 255.0 * y[i, 0][..., None].astype(float)) for i in range(4)])
np.savez("flat.npz", x=x, y=y[:, 0])

# Without targets in the file, as files beside; NaN; targets that count to 255; small pictures.
np.savez("alone.npz", x=x)
np.save("alone.npy", x)
os.makedirs("beside"), os.makedirs("some")
for i in range(4):
    np.save(f"some/{i}.npy", x[i])
    np.save(f"beside/{i}.npy", y[i])
holed = x.copy()
holed[1, 0, 2, 3] = np.nan
np.savez("nan.npz", x=holed, y=y)
np.savez("nan8.npz", x=holed, y=np.rint(255 * y).astype("uint8"))
np.savez("holed.npz", x=x, y=np.where(np.isnan(holed), np.inf, y))
np.savez("units.npz", x=x, y=255 * y)
dark, over = y.copy(), x.copy()
dark[0], over[0, 0, 0, 0] = 0.001, 3
tell("dark", [(0.8731 * 255.0 * x[i, 0][..., None], 255.0 * dark[i, 0][..., None].astype(float)) for i in range(4)])
np.savez("dark.npz", x=255 * x, y=255 * dark)
tell("over", [(0.8731 * 255.0 * over[i, 0][..., None], 255.0 * y[i, 0][..., None].astype(float)) for i in range(4)])
np.savez("over.npz", x=over, y=y)
np.savez("small.npz", x=x[..., :10], y=y[..., :10])
END
python3 make.py > wanted.txt

# near NAME: psnr and ssim of the last run are those of the line.
near() {
    if python3 - "$1" <<'END'
import json, sys
got = json.load(open("out"))
psnr, ssim = next(map(float, line.split()[1:]) for line in open("wanted.txt") if line.startswith(sys.argv[1] + " "))
print(got["psnr"], psnr, got["ssim"], ssim)
sys.exit(abs(got["psnr"] - psnr) > 2e-4 or abs(got["ssim"] - ssim) > 2e-5)
END
    then pass; else fail "$what: not as NumPy has it"; fi
}

run 0 evaluate colour.txt --data colour --json
has out '"metric": "pairs"'
has out '"planes": "rgb"'
near colour
run 0 evaluate colour.txt --data colour --planes luma --json
near luma
run 0 evaluate grey.txt --data grey --metric picture --json
near grey
run 0 evaluate grey.txt --data data.npz --json
near floats
run 0 evaluate grey.txt --data flat.npz --metric pairs --json
near floats
run 0 evaluate colour.txt --data colour
has out 'PSNR '
has out 'all channels, no border left out'
# Targets beside samples: only of samples that are files.
run 0 evaluate grey.txt --data some --labels beside --metric pairs --json
near floats
for name in alone.npz alone.npy; do
    run 2 evaluate grey.txt --data $name --labels beside --metric pairs
    has err "samples of '$name' are no files"
done
run 2 evaluate grey.txt --data data.npz --labels beside --metric pairs
has err "--labels 'beside' and an array of 'data.npz' are both true pictures"
# No number is no picture, for float targets and for those of 8 bits.
for name in nan nan8; do
    run 2 evaluate grey.txt --data $name.npz --metric pairs
    has err "sample 1: the network's output has"
    has err "nan in channel 0, row 2, column 3"
done
run 2 evaluate grey.txt --data holed.npz --metric pairs
has err "the target has inf in channel 0, row 2, column 3"
# Units that differ are told, and each counts as it is. Dark pictures and values beyond the range are no units.
run 0 evaluate grey.txt --data units.npz --metric pairs --json
has err "outputs are taken as 0..1, targets as pixels (0..255)"
near floats
run 0 evaluate grey.txt --data units.npz --metric pairs --set output_scale=255 --json
near floats
if [ -s err ]; then fail "$what: warns of what is set"; else pass; fi
for name in dark over; do
    run 0 evaluate grey.txt --data $name.npz --metric pairs --json
    near $name
    if [ -s err ]; then fail "$what: warns"; else pass; fi
done
run 2 evaluate grey.txt --data small.npz --metric pairs
has err "SSIM needs 11 x 11 pixels, 10 x 16 are left"
run 2 evaluate colour.txt --data colour --set size=20x20
has err "the network makes 20 x 20 pixels, the target has 31 x 24"
run 2 evaluate colour.txt --data colour --planes cmyk
has err "--planes"
mv colour/target/2.png colour/target/two.png
run 2 evaluate colour.txt --data colour
has err "'colour/target' has no '2' for 'colour/input/2.png'"
run 2 evaluate colour.txt --data colour/input --metric pairs
has err "pairs need folders 'input' and 'target'"
run 2 evaluate grey.txt --data data.npz --metric top1
has err "no labels"
finish
