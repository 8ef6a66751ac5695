# SPDX-License-Identifier: Apache-2.0
"""One class per engine, all alike: load in the constructor, execute() is what is timed, outputs() gives arrays.

Every engine gets float32 arithmetic, the asked number of threads and its defaults otherwise. A class imports its engine in
`load_library`, so that a process holds one engine only and what the import costs can be told from what the model costs.
"""
import itertools
import os
import pathlib
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]


def fitted(array, shape):
    """The array in another order of axes, for engines that hold pictures channels-last."""
    shape = tuple(shape)
    orders = [tuple(range(array.ndim)), (0, 2, 3, 1), (0, 2, 1)] + list(itertools.permutations(range(array.ndim)))
    for order in orders:
        if len(order) == array.ndim and tuple(array.shape[axis] for axis in order) == shape:
            return numpy.ascontiguousarray(array.transpose(order))
    raise ValueError(f"no order of the axes of {array.shape} gives {shape}")


class Pith:
    def load_library(self):
        sys.path.insert(0, str(ROOT / "bindings/python"))
        import pith
        self.pith = pith
        pith.load_library(os.environ.get("PITH_LIBRARY"))  # as the imports of the others do

    def load(self, path, feeds, threads):
        self.model = self.pith.Model(path, threads=threads, library=os.environ.get("PITH_LIBRARY"))
        self.feeds = feeds
        self.model.bind(feeds)

    def execute(self):
        self.model.execute()

    def outputs(self):
        return list(self.model.run(self.feeds).values())


class OnnxRuntime:
    def load_library(self):
        import onnxruntime
        self.module = onnxruntime

    def load(self, path, feeds, threads):
        options = self.module.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = self.module.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.feeds = feeds

    def execute(self):
        self.session.run(None, self.feeds)

    def outputs(self):
        return self.session.run(None, self.feeds)


class OpenVino:
    def load_library(self):
        import openvino
        self.module = openvino

    def load(self, path, feeds, threads):
        options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = self.module.Core().compile_model(path, "CPU", options)
        self.request, self.n_outputs = compiled.create_infer_request(), len(compiled.outputs)
        self.feeds = list(feeds.values())  # shared with the request, so they must live
        names = list(feeds)
        for port in compiled.inputs:
            found = [name for name in names if name in port.get_names()]
            array = feeds[found[0]] if found else self.feeds[port.get_index()]
            self.request.set_tensor(port, self.module.Tensor(array, shared_memory=True))

    def execute(self):
        self.request.infer()

    def outputs(self):
        self.request.infer()
        return [numpy.array(self.request.get_output_tensor(i).data) for i in range(self.n_outputs)]


class Ncnn:
    def load_library(self):
        import ncnn
        self.module = ncnn

    def load(self, path, feeds, threads):
        self.net = self.module.Net()
        self.net.opt.num_threads = threads
        self.net.opt.use_vulkan_compute = False
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_bf16_packed"):
            if hasattr(self.net.opt, name):
                setattr(self.net.opt, name, False)
        if self.net.load_param(path) or self.net.load_model(str(pathlib.Path(path).with_suffix(".bin"))):
            raise RuntimeError("can't load the converted model")
        self.names = list(self.net.input_names()), list(self.net.output_names())
        arrays = [array.astype(numpy.int32) if array.dtype == numpy.int64 else array for array in feeds.values()]
        self.arrays = [numpy.ascontiguousarray(array[0] if array.ndim > 1 else array) for array in arrays]
        self.mats = [self.module.Mat(array) for array in self.arrays]

    def extract(self):
        extractor, mats = self.net.create_extractor(), []
        for name, mat in zip(self.names[0], self.mats):
            extractor.input(name, mat)
        for name in self.names[1]:
            status, mat = extractor.extract(name)
            if status != 0:
                raise RuntimeError(f"extract of {name} fails with {status}")
            mats.append(mat)
        return mats

    def execute(self):
        self.extract()

    def outputs(self):
        return [numpy.array(mat) for mat in self.extract()]


class Mnn:
    """The session interface; networks with loops need the module interface."""

    def load_library(self):
        import MNN
        self.module = MNN

    def load(self, path, feeds, threads):
        self.options = {"numThread": threads, "precision": "high", "backend": "CPU"}
        self.feeds = {name: array.astype(numpy.int32) if array.dtype == numpy.int64 else array for name, array in feeds.items()}
        self.is_module = pathlib.Path(path).with_suffix(".module").exists()
        self.load_module(path) if self.is_module else self.load_session(path)

    def load_session(self, path):
        mnn = self.module
        self.interpreter = mnn.Interpreter(path)
        self.session = self.interpreter.createSession(self.options)
        tensors, self.copies = self.interpreter.getSessionInputAll(self.session), []
        for name, array in self.feeds.items():
            self.interpreter.resizeTensor(tensors[name], array.shape)
        self.interpreter.resizeSession(self.session)
        for name, array in self.feeds.items():
            kind = mnn.Halide_Type_Int if array.dtype == numpy.int32 else mnn.Halide_Type_Float
            host = mnn.Tensor(array.shape, kind, array, mnn.Tensor_DimensionType_Caffe)
            self.copies.append((tensors[name], host))

    def load_module(self, path):
        mnn, nn = self.module, self.module.nn
        self.runtime = nn.create_runtime_manager((self.options,))
        names = pathlib.Path(path).with_suffix(".module").read_text().split()
        self.net = nn.load_module_from_file(path, list(self.feeds), names, runtime_manager=self.runtime)
        self.variables = []
        for array in self.feeds.values():
            kind = mnn.expr.int if array.dtype == numpy.int32 else mnn.expr.float
            variable = mnn.expr.placeholder(list(array.shape), mnn.expr.NCHW, kind)
            variable.write(array)
            self.variables.append(variable)

    def forward(self):
        return [mnn_value.read() for mnn_value in self.net.forward(self.variables)]

    def execute(self):
        if self.is_module:
            self.forward()
            return
        for tensor, host in self.copies:  # part of every run: its plan reuses the memory of inputs
            tensor.copyFrom(host)
        self.interpreter.runSession(self.session)

    def outputs(self):
        if self.is_module:
            return self.forward()
        self.execute()
        arrays = []
        for tensor in self.interpreter.getSessionOutputAll(self.session).values():
            zeros = numpy.zeros(tensor.getShape(), numpy.float32)
            host = self.module.Tensor(tensor.getShape(), self.module.Halide_Type_Float, zeros, self.module.Tensor_DimensionType_Caffe)
            tensor.copyToHostTensor(host)
            arrays.append(numpy.array(host.getNumpyData()))
        return arrays


class LiteRt:
    def load_library(self):
        from ai_edge_litert.interpreter import Interpreter
        self.make = Interpreter

    def load(self, path, feeds, threads):
        self.interpreter = self.make(model_path=path, num_threads=threads)
        self.interpreter.allocate_tensors()
        free = dict(feeds)
        for detail in self.interpreter.get_input_details():
            names = [name for name in free if name in detail["name"]] or \
                    [name for name in free if sorted(free[name].shape) == sorted(detail["shape"])] or \
                    [name for name in free if free[name].size == numpy.prod(detail["shape"])]
            if not names:
                raise RuntimeError(f"no input fits {detail['name']} {list(detail['shape'])}")
            array = free.pop(names[0])
            same = sorted(array.shape) == sorted(detail["shape"])
            array = fitted(array, detail["shape"]) if same else array.reshape(detail["shape"])
            self.interpreter.set_tensor(detail["index"], array.astype(detail["dtype"]))

    def execute(self):
        self.interpreter.invoke()

    def outputs(self):
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(detail["index"]) for detail in self.interpreter.get_output_details()]


class LiteRtInt8(LiteRt):
    """Inputs and outputs may be integers with a scale and a zero point."""

    def load(self, path, feeds, threads):
        self.interpreter = self.make(model_path=path, num_threads=threads)
        details = {tuple(sorted(detail["shape"])): detail for detail in self.interpreter.get_input_details()}
        whole = {}
        for name, array in feeds.items():
            detail = details.get(tuple(sorted(array.shape)))
            scale, zero = detail["quantization"] if detail else (0.0, 0)
            limits = numpy.iinfo(detail["dtype"]) if scale else None
            whole[name] = numpy.clip(numpy.rint(array / scale) + zero, limits.min, limits.max) if scale else array
        super().load(path, whole, threads)

    def outputs(self):
        arrays = super().outputs()
        scales = [detail["quantization"] for detail in self.interpreter.get_output_details()]
        return [(array.astype(float) - zero) * scale if scale else array for array, (scale, zero) in zip(arrays, scales)]


class OpenCv:
    def load_library(self):
        import cv2
        self.module = cv2

    def load(self, path, feeds, threads):
        self.module.setNumThreads(threads)
        self.net = self.module.dnn.readNetFromONNX(path)
        for name, array in feeds.items():
            self.net.setInput(array, name)
        self.names = self.net.getUnconnectedOutLayersNames()

    def execute(self):
        self.net.forward(self.names)

    def outputs(self):
        return [numpy.array(array) for array in self.net.forward(self.names)]


ENGINES = {"pith": Pith, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn, "mnn": Mnn, "litert": LiteRt, "opencv": OpenCv,
           "pith-int8": Pith, "onnxruntime-int8": OnnxRuntime, "openvino-int8": OpenVino, "mnn-int8": Mnn, "litert-int8": LiteRtInt8}
PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "ncnn": "ncnn", "mnn": "MNN", "litert": "ai-edge-litert",
            "opencv": "opencv-python-headless"}
