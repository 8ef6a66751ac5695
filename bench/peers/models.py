# SPDX-License-Identifier: Apache-2.0
"""The comparison set: the files of bench/networks/make.py and the real float32 networks of the shared folder, where there is one."""
import dataclasses
import pathlib

import numpy

REAL = """converted_onnx/mlperf_ad01.float converted_onnx/mlperf_kws_int8.float converted_onnx/mlperf_resnet8.float
converted_onnx/mlperf_vww96.float converted_onnx/mobilenet_v1_0.25_224.float converted_onnx/mobilenet_v2_1.0_224_qat.float
converted_onnx/kwt1.float converted_onnx/deeplabv3_257.float basic_pitch/nmp cifar_resnet/resnet20 cifar_resnet/resnet56 dtln/model_1
fastestdet/FastestDet mnist8/model portrait_seg/prisma_nchw ppocr/ch_PP-OCRv3_det_infer ppocr/en_number_mobile_v2.0_rec_infer
silero_vad/silero_vad_16k_op15 squeezenet_dc/squeezenet_v1.0_deepcompression superres10/model ultraface/version-RFB-320
ultraface/version-RFB-320_simplified ultraface/version-RFB-320_without_postprocessing yolox_nano/yolox_nano yunet/yunet_n_320_320
yunet/yunet_n_640_640""".split()
DTYPES = {1: numpy.float32, 6: numpy.int32, 7: numpy.int64}


@dataclasses.dataclass
class Network:
    name: str
    path: pathlib.Path
    feeds_path: pathlib.Path

    def feeds(self):
        return {key[3:]: value for key, value in numpy.load(self.feeds_path).items() if key.startswith("in/")}


def random_feeds(path, target):
    """Standard normal values for models without stored inputs; a dimension without a size counts as 1."""
    import onnx
    graph, generator, feeds = onnx.load(path).graph, numpy.random.default_rng(1), {}
    weights = {weight.name for weight in graph.initializer}
    for value in graph.input:
        if value.name not in weights:
            shape = [max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim]
            feeds[f"in/{value.name}"] = generator.standard_normal(shape).astype(DTYPES[value.type.tensor_type.elem_type])
    target.parent.mkdir(parents=True, exist_ok=True)
    numpy.savez(target, **feeds)


def network(path, out):
    name = path.stem if path.stem not in ("model", "model_1") else f"{path.parent.name}_{path.stem}"
    stored = path.with_suffix(".io.npz")
    if not stored.exists():
        stored = out / "feeds" / f"{name}.npz"
        if not stored.exists():
            random_feeds(path, stored)
    return Network(name, path, stored)


def comparison_set(networks, shared, out):
    paths = sorted(networks.glob("*.onnx")) + [shared / "models" / f"{name}.onnx" for name in REAL]
    return [network(path, out) for path in paths if path.exists()]
