# SPDX-License-Identifier: Apache-2.0
"""Thin Python binding over libpith.so (public C API, ctypes and numpy only).

    model = pith.Model("model.onnx", threads=2)
    outputs = model.run({"input": array})     # dict by output name; arrays are copies

The library is found through the argument, the environment variable PITH_LIBRARY, or build/libpith.so of this checkout.
"""
import ctypes
import os
import pathlib

import numpy

MAX_RANK = 8
DTYPES = {1: numpy.float32, 2: numpy.float16, 4: numpy.float64, 13: numpy.int8, 14: numpy.uint8, 15: numpy.int16,
          16: numpy.uint16, 17: numpy.int32, 18: numpy.uint32, 19: numpy.int64, 20: numpy.uint64, 25: numpy.bool_}


class _Shape(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_int), ("dims", ctypes.c_int64 * MAX_RANK)]


class _Tensor(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("shape", _Shape), ("data", ctypes.c_void_p)]


class _ValueInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("shape", _Shape),
                ("symbols", ctypes.c_char_p * MAX_RANK)]


class _ModelOptions(ctypes.Structure):
    _fields_ = [("disable_passes", ctypes.c_char_p), ("plan_cache_bytes", ctypes.c_size_t),
                ("keep_all_values", ctypes.c_int), ("exact", ctypes.c_int), ("describe_only", ctypes.c_int),
                ("tuning_file", ctypes.c_char_p)]


class _SessionOptions(ctypes.Structure):
    _fields_ = [("n_threads", ctypes.c_int), ("keep_denormals", ctypes.c_int), ("spin_us", ctypes.c_int),
                ("steady_threads", ctypes.c_int), ("pool", ctypes.c_void_p)]


class Error(Exception):
    """A failed call; the text is the library's message."""


def _load(path):
    default = pathlib.Path(__file__).resolve().parents[2] / "build/libpith.so"
    library = ctypes.CDLL(str(path or os.environ.get("PITH_LIBRARY") or default))
    library.pith_ctx_error.restype = ctypes.c_char_p
    library.pith_version.restype = ctypes.c_char_p
    for name in ("pith_model_input", "pith_model_output"):
        getattr(library, name).restype = ctypes.POINTER(_ValueInfo)
    library.pith_session_output.restype = ctypes.POINTER(_Tensor)
    return library


class Model:
    """A loaded model with one session."""

    def __init__(self, path, threads=0, isa=None, disable_passes=None, library=None, exact=False):
        self._library = _load(library)
        self._ctx, self._model, self._session = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        if self._library.pith_ctx_create(None, ctypes.byref(self._ctx)) != 0:
            raise MemoryError("pith_ctx_create")
        if isa:
            self._check(self._library.pith_ctx_set_isa_limit(self._ctx, isa.encode()))
        options = _ModelOptions(disable_passes.encode() if disable_passes else None, 0, 0, int(exact), 0, None)
        self._check(self._library.pith_model_load(self._ctx, os.fsencode(path), ctypes.byref(options),
                                                  ctypes.byref(self._model)))
        options = _SessionOptions(threads, 0, 0, 0, None)
        self._check(self._library.pith_session_create(self._model, ctypes.byref(options), ctypes.byref(self._session)))
        self.inputs = [self._library.pith_model_input(self._model, i)[0]
                       for i in range(self._library.pith_model_n_inputs(self._model))]
        self.output_names = [self._library.pith_model_output(self._model, i)[0].name.decode()
                             for i in range(self._library.pith_model_n_outputs(self._model))]
        self._views, self._arrays = None, None

    def close(self):
        """Releases everything; called by the garbage collector too."""
        self._library.pith_session_destroy(self._session)
        self._library.pith_model_destroy(self._model)
        self._library.pith_ctx_destroy(self._ctx)
        self._session = self._model = self._ctx = ctypes.c_void_p()

    def __del__(self):
        if getattr(self, "_ctx", None):
            self.close()

    def _check(self, status):
        if status != 0:
            raise Error(self._library.pith_ctx_error(self._ctx).decode())

    def bind(self, feeds):
        """Takes the inputs for execute(): a dict from input name to array."""
        self._views = (_Tensor * len(self.inputs))()
        self._arrays = []
        for view, info in zip(self._views, self.inputs):
            array = numpy.asarray(feeds[info.name.decode()], dtype=DTYPES[info.dtype], order="C")
            self._arrays.append(array)  # keeps the memory alive
            view.dtype, view.data, view.shape.rank = info.dtype, array.ctypes.data, array.ndim
            view.shape.dims[:array.ndim] = array.shape

    def execute(self):
        """Runs on the bound inputs without touching the outputs: what benchmarks time."""
        self._check(self._library.pith_session_run(self._session, self._views, len(self.inputs)))

    def _output(self, index):
        tensor = self._library.pith_session_output(self._session, index)[0]
        shape, dtype = tuple(tensor.shape.dims[:tensor.shape.rank]), numpy.dtype(DTYPES[tensor.dtype])
        n_bytes = int(numpy.prod(shape, dtype=numpy.int64)) * dtype.itemsize
        return numpy.frombuffer(ctypes.string_at(tensor.data, n_bytes), dtype=dtype).reshape(shape)

    def run(self, feeds):
        """Runs once and returns copies of the outputs by name."""
        self.bind(feeds)
        self.execute()
        return {name: self._output(index) for index, name in enumerate(self.output_names)}
