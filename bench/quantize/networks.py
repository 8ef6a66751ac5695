# SPDX-License-Identifier: Apache-2.0
"""The networks of the comparison: the real ones of the shared folder, what to feed them, and what their outputs mean.

A sample is a dict of arrays by input name. Calibration and evaluation samples are disjoint; where a network has no data
of its own kind, photos of data/imagenet_sample or sounds of the shared folder stand in. Judged is on more views of the
evaluation pictures and sounds; views of one make a group, and intervals are over groups.
"""
import collections.abc
import dataclasses
import functools
import gzip
import io
import pathlib
import tarfile
import typing
import wave

import numpy
import onnx
import onnxruntime
from PIL import Image, ImageDraw, ImageFont


@dataclasses.dataclass
class Network:
    name: str
    path: pathlib.Path
    kind: str                       # how outputs are compared: metrics.py
    make: typing.Callable           # -> (calibration samples, evaluation samples, labels or None)
    options: dict = dataclasses.field(default_factory=dict)
    views: typing.Callable | None = None    # -> (evaluation samples, group of each, labels or None), where there are more

    def judged(self):
        if self.views:
            return self.views()
        _, evaluation, labels = self.make()
        return evaluation, list(range(len(evaluation))), labels


class Lazy(collections.abc.Sequence):
    """Samples that are made when they are asked for: a thousand pictures need not be in memory at once."""

    def __init__(self, things, make):
        self.things, self.make = things, make

    def __len__(self):
        return len(self.things)

    def __getitem__(self, index):
        return self.make(self.things[index])


def resize(picture, width, height, crop=False):
    """With `crop` the longer side is cut to the target's form first."""
    if crop:
        scale = min(picture.width / width, picture.height / height)
        w, h = int(width * scale), int(height * scale)
        left, top = (picture.width - w) // 2, (picture.height - h) // 2
        picture = picture.crop((left, top, left + w, top + h))
    return numpy.asarray(picture.resize((width, height), Image.BILINEAR), numpy.float32)


def planes(pixels, mean=0.0, scale=1.0, bgr=False):
    pixels = pixels[..., ::-1] if bgr else pixels
    return numpy.ascontiguousarray(((pixels - numpy.float32(mean)) * numpy.float32(scale)).transpose(2, 0, 1)[None])


@functools.cache
def photos(shared):
    """(class, picture), in an order that mixes the classes."""
    paths = sorted((shared / "data/imagenet_sample/photos").iterdir())
    order = numpy.random.default_rng(7).permutation(len(paths))
    return [(int(paths[i].name.split("_")[0]), Image.open(paths[i]).convert("RGB")) for i in order]


def from_photos(shared, name, size, prepare, n_calibration=40, n_evaluation=85, labelled=False, crop=True):
    samples = [{name: prepare(resize(picture, *size, crop))} for _, picture in photos(shared)[:n_calibration + n_evaluation]]
    labels = [label for label, _ in photos(shared)[n_calibration:n_calibration + n_evaluation]] if labelled else None
    return samples[:n_calibration], samples[n_calibration:], labels


def crops(picture, n):
    """The whole and its mirror image, then four fifths of either side: corners and middle, and their mirror images."""
    w, h = picture.size
    parts = [picture] + [picture.crop((int(x * w), int(y * h), int((x + 0.8) * w), int((y + 0.8) * h)))
                         for x, y in ((0.1, 0.1), (0, 0), (0.2, 0), (0, 0.2), (0.2, 0.2))]
    return [view for part in parts for view in (part, part.transpose(Image.FLIP_LEFT_RIGHT))][:n]


def views_of(pictures, n, prepare, labels=None):
    """n views of each picture."""
    things = [(i, k) for i in range(len(pictures)) for k in range(n)]
    return (Lazy(things, lambda thing: prepare(crops(pictures[thing[0]], n)[thing[1]])), [i for i, _ in things],
            [labels[i] for i, _ in things] if labels else None)


def photo_views(shared, name, size, prepare, n_views=12, n_calibration=40, labelled=False):
    labels, pictures = zip(*photos(shared)[n_calibration:])
    return views_of(pictures, n_views, lambda picture: {name: prepare(resize(picture, *size, True))}, labels if labelled else None)


@functools.cache
def pictures(shared, *folders):
    return [Image.open(path).convert("RGB") for folder in folders
            for path in sorted((shared / "models" / folder / "images").iterdir())]


def letterbox(picture, width, height, colour):
    """Reduced to fit, at the upper left."""
    scale = min(width / picture.width, height / picture.height)
    target = Image.new("RGB", (width, height), (colour,) * 3)
    target.paste(picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.BILINEAR))
    return numpy.asarray(target, numpy.float32)


def cifar(shared, prepare, name, n_calibration=128, n_evaluation=3000):
    def read(part, n):
        with tarfile.open(shared / f"data/cifar10_jpg/{part}_3000.tar") as archive:
            names = sorted(m.name for m in archive.getmembers() if m.name.endswith(".jpg"))
            classes = sorted({path.split("/")[1] for path in names})
            picked = [names[i] for i in numpy.random.default_rng(3).permutation(len(names))[:n]]
            pictures = [Image.open(io.BytesIO(archive.extractfile(path).read())).convert("RGB") for path in picked]
        return ([{name: prepare(numpy.asarray(p, numpy.float32))} for p in pictures],
                [classes.index(path.split("/")[1]) for path in picked])
    calibration, _ = read("train", n_calibration)
    evaluation, labels = read("test", n_evaluation)
    return calibration, evaluation, labels


def mnist(shared, name):
    folder = shared / "data/mnist_t10k"
    pixels = numpy.frombuffer(gzip.open(folder / "t10k-images-idx3-ubyte.gz").read(), numpy.uint8, offset=16)
    labels = numpy.frombuffer(gzip.open(folder / "t10k-labels-idx1-ubyte.gz").read(), numpy.uint8, offset=8)
    pixels = pixels.reshape(-1, 1, 1, 28, 28).astype(numpy.float32)
    samples = [{name: x} for x in pixels]
    return samples[8000:8128], samples[:8000], labels[:8000].tolist()


def input_scale(path):
    """(scale, zero point) of the first QuantizeLinear: that of the input."""
    graph = onnx.load(path).graph
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
    node = next(n for n in graph.node if n.op_type == "QuantizeLinear")
    return float(weights[node.input[1]]), int(weights[node.input[2]])


def keywords(shared, name):
    scale, zero = input_scale(shared / "models/converted_onnx/mlperf_kws_int8.qdq.onnx")
    paths = sorted((shared / "data/mlperf_kws01/kws01").glob("*.bin"))
    samples = [{name: ((numpy.fromfile(p, numpy.int8).astype(numpy.float32) - zero) * numpy.float32(scale))
                .reshape(1, 1, 49, 10)} for p in paths]
    labels = [int(p.stem.split("_")[-1]) for p in paths]
    return samples[::8], [s for i, s in enumerate(samples) if i % 8], [y for i, y in enumerate(labels) if i % 8]


def sound(path, rate):
    with wave.open(str(path)) as file:
        raw = numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16).reshape(-1, file.getnchannels())
        ratio = file.getframerate() / rate
    x = raw.astype(numpy.float32).mean(1) / 32768
    return numpy.interp(numpy.arange(0, len(x) - 1, ratio), numpy.arange(len(x)), x).astype(numpy.float32)


def sounds(shared, rate):
    """For calibration and for evaluation, from different recordings."""
    voices = sound(shared / "models/silero_vad/test.wav", rate)
    songs = [sound(shared / f"models/basic_pitch/test/vocadito_{i}.wav", rate) for i in (10, 14)]
    half = len(voices) // 2
    return numpy.concatenate([voices[:half], songs[0]]), numpy.concatenate([voices[half:], songs[1]])


def windows(x, length, step, n_most):
    starts = numpy.arange(0, len(x) - length, step)
    starts = starts[numpy.linspace(0, len(starts) - 1, min(n_most, len(starts))).astype(int)]
    return [x[s:s + length] for s in starts]


def sound_windows(shared, name, rate, length, shape, n=(60, 100)):
    return tuple([{name: w.reshape(shape)} for w in windows(part, length, length // 2, k)]
                 for part, k in zip(sounds(shared, rate), n)) + (None,)


def sound_views(shared, name, rate, length, shape, n):
    """Windows a sixteenth of their length apart; those of two lengths make a group."""
    samples = windows(sounds(shared, rate)[1], length, length // 16, n)
    starts = numpy.linspace(0, (len(sounds(shared, rate)[1]) - length) // (length // 16), len(samples)).astype(int)
    return [{name: w.reshape(shape)} for w in samples], [int(s) // 32 for s in starts], None


def with_states(path, frames, n):
    """Runs a stateful network over `frames` in float; every k-th step with its states is a sample."""
    session = onnxruntime.InferenceSession(path)
    inputs, outputs, samples, state = session.get_inputs(), [o.name for o in session.get_outputs()], [], None
    step = max(len(frames) // n, 1)
    for i, frame in enumerate(frames):
        feeds = dict(frame)
        feeds[inputs[1].name] = state if state is not None else numpy.zeros(
            [d if isinstance(d, int) else 1 for d in inputs[1].shape], numpy.float32)
        state = session.run(outputs, feeds)[1]
        if i % step == step - 1:
            samples.append(feeds)
    return samples[:n]


def silero(shared, path):
    def frames(x):
        blocks = [x[i:i + 576] for i in range(0, len(x) - 576, 512)][:600]
        return [{"input": b[None], "sr": numpy.array(16000, numpy.int64)} for b in blocks]
    calibration, evaluation = sounds(shared, 16000)
    return with_states(path, frames(calibration), 100), with_states(path, frames(evaluation), 200), None


def dtln(shared, path):
    def frames(x):
        return [{"input_2": numpy.abs(numpy.fft.rfft(x[i:i + 512])).astype(numpy.float32)[None, None]}
                for i in range(0, min(len(x) - 512, 600 * 128), 128)]
    calibration, evaluation = sounds(shared, 16000)
    return with_states(path, frames(calibration), 100), with_states(path, frames(evaluation), 200), None


def luminance(shared, name):
    def crops(folder):
        for path in sorted((shared / f"data/super_resolution/{folder}").glob("*.png")):
            y = Image.open(path).convert("YCbCr").split()[0].resize((224, 224), Image.BICUBIC)
            yield {name: numpy.asarray(y, numpy.float32)[None, None] / 255}
    return list(crops("CSet14")), list(crops("CSet5")), None


@functools.cache
def drawn_lines(n):
    """Random words in the drawing library's own font: dark on light with noise, 320 x 32."""
    generator, lines = numpy.random.default_rng(11), []
    letters = list("etaoinshrdlucmfwypvbgkjqxzETAOINSHRDLUCM0123456789")
    for _ in range(n):
        words = ["".join(generator.choice(letters, generator.integers(2, 9))) for _ in range(5)]
        picture = Image.new("L", (320, 32), int(generator.integers(170, 256)))
        draw = ImageDraw.Draw(picture)
        draw.text((4, int(generator.integers(0, 6))), " ".join(words), int(generator.integers(0, 90)),
                  font=ImageFont.load_default(size=int(generator.integers(17, 24))))
        lines.append(numpy.clip(numpy.asarray(picture, numpy.float32) + generator.normal(0, 6, (32, 320)), 0, 255)
                     .astype(numpy.float32))
    return lines


def text_lines(name, n_planes, n_evaluation=100):
    samples = [{name: numpy.repeat(((x - 127.5) / 127.5)[None, None], n_planes, 1)} for x in drawn_lines(60 + n_evaluation)]
    return samples[:60], samples[60:], None


def pages(shared, name, prepare):
    """Photos with drawn lines of text."""
    samples = []
    for (_, picture), line in zip(photos(shared), drawn_lines(125)):
        pixels = resize(picture, 320, 320, True).copy()
        for top in (40, 150, 260):
            pixels[top:top + 32] = line[..., None]
        samples.append({name: prepare(pixels)})
    return samples[:30], samples[30:], None


def faces(shared):
    """Pictures to calibrate with and others to judge with: groups of people."""
    return (pictures(shared, "mediapipe_face", "yolox_nano") + [picture for _, picture in photos(shared)[:9]],
            pictures(shared, "ultraface"))


def objects(shared):
    return [picture for _, picture in photos(shared)[:40]], pictures(shared, "yolox_nano", "fastestdet")


def network_of(name, path, kind, value, data, prepare, threshold, n_views=6):
    """Of pictures that `data` gives."""
    def make():
        return *([{value: prepare(p)} for p in part] for part in data()), None
    return Network(name, path, kind, make, {"threshold": threshold},
                   lambda: views_of(data()[1], n_views, lambda picture: {value: prepare(picture)}))


def networks(shared, root):
    models = shared / "models"
    converted = models / "converted_onnx"
    imagenet = functools.partial(planes, mean=[123.675, 116.28, 103.53], scale=1 / numpy.float32([58.395, 57.12, 57.375]))
    half = functools.partial(planes, mean=127.5, scale=1 / 127.5)
    byte = functools.partial(planes, scale=1 / 255)
    bgr = functools.partial(planes, bgr=True)

    def photo(name, path, kind, value, size, prepare, labelled=False, n_views=12):
        return Network(name, path, kind, lambda: from_photos(shared, value, size, prepare, labelled=labelled),
                       views=lambda: photo_views(shared, value, size, prepare, n_views, labelled=labelled))

    def detector(name, path, value, size, data, prepare, threshold, pad=None):
        pixels = lambda picture: letterbox(picture, *size, pad) if pad is not None else resize(picture, *size)
        return network_of(name, models / path, name, value, data, lambda picture: prepare(pixels(picture)), threshold)

    cifar_pixels = functools.partial(planes, mean=255 * numpy.float32([0.4914, 0.4822, 0.4465]),
                                     scale=1 / (255 * numpy.float32([0.2470, 0.2435, 0.2616])))
    first_input = lambda path: onnxruntime.InferenceSession(path).get_inputs()[0].name
    mobile = {"labelled": True}
    v2, v1 = converted / "mobilenet_v2_1.0_224_qat.float.onnx", converted / "mobilenet_v1_0.25_224.float.onnx"
    people, things = functools.partial(faces, shared), functools.partial(objects, shared)
    kwt = functools.partial(sound_windows, shared, first_input(converted / "kwt1.float.onnx"), 16000, 16000, (1, 16000))
    return [
        photo("mobilenet_v2", v2, "top1", first_input(v2), (224, 224), half, **mobile),
        photo("mobilenet_v1_0.25", v1, "top1", first_input(v1), (224, 224), half, **mobile),
        photo("squeezenet_dc", models / "squeezenet_dc/squeezenet_v1.0_deepcompression.onnx", "top1", "data", (227, 227),
              functools.partial(planes, mean=[104, 117, 123], bgr=True), **mobile),
        Network("mlperf_resnet8", converted / "mlperf_resnet8.float.onnx", "top1",
                lambda: cifar(shared, planes, first_input(converted / "mlperf_resnet8.float.onnx"))),
        *[Network(f"resnet{n}", models / f"cifar_resnet/resnet{n}.onnx", "top1",
                  lambda: cifar(shared, cifar_pixels, "input")) for n in (20, 56)],
        Network("mlperf_kws", converted / "mlperf_kws_int8.float.onnx", "top1",
                lambda: keywords(shared, first_input(converted / "mlperf_kws_int8.float.onnx"))),
        Network("mnist8", models / "mnist8/model.onnx", "top1", lambda: mnist(shared, "Input3")),
        Network("kwt1", converted / "kwt1.float.onnx", "top1", kwt, views=lambda: sound_views(*kwt.args, 1000)),
        photo("mlperf_vww96", converted / "mlperf_vww96.float.onnx", "top1",
              first_input(converted / "mlperf_vww96.float.onnx"), (96, 96), byte),
        detector("ultraface", "ultraface/version-RFB-320_simplified.onnx", "input", (320, 240), people,
                 functools.partial(planes, mean=127, scale=1 / 128), 0.5),
        detector("yunet", "yunet/yunet_n_320_320.onnx", "input", (320, 320), people, bgr, 0.5, pad=0),
        detector("yolox_nano", "yolox_nano/yolox_nano.onnx", "images", (416, 416), things, bgr, 0.3, pad=114),
        detector("fastestdet", "fastestdet/FastestDet.onnx", "input.1", (352, 352), things,
                 functools.partial(planes, scale=1 / 255, bgr=True), 0.4),
        Network("ppocr_det", models / "ppocr/ch_PP-OCRv3_det_infer.onnx", "mask", lambda: pages(shared, "x", imagenet),
                {"threshold": 0.3}),
        Network("ppocr_rec", models / "ppocr/en_number_mobile_v2.0_rec_infer.onnx", "frames", lambda: text_lines("x", 3, 500)),
        Network("text_line", root / "models/text_line/text_line.onnx", "frames", lambda: text_lines("image", 1, 500)),
        network_of("prisma", models / "portrait_seg/prisma_nchw.onnx", "mask", "input_3", people,
                   lambda picture: byte(resize(picture, 256, 256, True)), 0.5),
        photo("deeplabv3", converted / "deeplabv3_257.float.onnx", "pixels",
              first_input(converted / "deeplabv3_257.float.onnx"), (257, 257), half, n_views=6),
        Network("superres10", models / "superres10/model.onnx", "psnr", lambda: luminance(shared, "input")),
        Network("basic_pitch", models / "basic_pitch/nmp.onnx", "signal",
                lambda: sound_windows(shared, "serving_default_input_2:0", 22050, 43844, (1, 43844, 1), (20, 20))),
        Network("dtln", models / "dtln/model_1.onnx", "signal", lambda: dtln(shared, models / "dtln/model_1.onnx")),
        Network("silero_vad", models / "silero_vad/silero_vad_16k_op15.onnx", "signal",
                lambda: silero(shared, models / "silero_vad/silero_vad_16k_op15.onnx")),
    ]
