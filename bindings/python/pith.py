# SPDX-License-Identifier: Apache-2.0
"""Thin Python binding over libpith.so (public C API, ctypes and numpy only).

    model = pith.Model("model.onnx", threads=2)
    outputs = model.run({"input": array})     # dict by output name; arrays are copies

Strings are arrays of dtype object that hold str. Sequences are lists, maps are dicts, an optional is its value or None.

The library is found through the argument, the environment variable PITH_LIBRARY, or build/libpith.so of this checkout.
"""
import ctypes
import functools
import os

import numpy

MAX_RANK = 8


class _Dtypes(dict):
    """Types of arrays by pith_dtype; those of ml_dtypes, which takes megabytes, are imported when they are met."""
    SMALL = {3: "bfloat16", 5: "float8_e4m3fn", 6: "float8_e4m3fnuz", 7: "float8_e5m2", 8: "float8_e5m2fnuz",
             9: "float8_e8m0fnu", 10: "float6_e2m3fn", 11: "float6_e3m2fn", 12: "float4_e2m1fn", 21: "int4",
             22: "uint4", 23: "int2", 24: "uint2"}

    def __missing__(self, code):
        import ml_dtypes  # bfloat16, the small floats and integers of 4 and 2 bits
        self[code] = getattr(ml_dtypes, self.SMALL[code])
        return self[code]


DTYPES = _Dtypes({1: numpy.float32, 2: numpy.float16, 4: numpy.float64, 13: numpy.int8, 14: numpy.uint8, 15: numpy.int16,
                  16: numpy.uint16, 17: numpy.int32, 18: numpy.uint32, 19: numpy.int64, 20: numpy.uint64,
                  25: numpy.bool_, 26: numpy.complex64, 27: numpy.complex128})
BITS = {10: 6, 11: 6, 12: 4, 21: 4, 22: 4, 23: 2, 24: 2}  # elements of less than a byte: packed, lowest bits first


def _pack(array, bits):
    """Elements of one byte each -> the packed bytes."""
    codes = array.reshape(-1).view(numpy.uint8)
    return numpy.packbits(numpy.unpackbits(codes[:, None], axis=1, bitorder="little")[:, :bits].reshape(-1),
                          bitorder="little")


def _unpack(data, dtype, bits, n_elements):
    """The packed bytes -> elements of one byte each."""
    flat = numpy.unpackbits(numpy.frombuffer(data, numpy.uint8), bitorder="little")[:n_elements * bits]
    codes = numpy.packbits(flat.reshape(n_elements, bits), axis=1, bitorder="little").reshape(-1)
    is_signed = numpy.dtype(dtype).name in ("int4", "int2")
    codes = numpy.where(is_signed & (codes >> (bits - 1) == 1), codes | (0x100 - (1 << bits)), codes)
    return codes.astype(numpy.uint8).view(dtype)


STRING, OBJECT = 28, 29
SEQUENCE, OPTIONAL, MAP = 1, 2, 3  # pith_kind


class _Shape(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_int), ("dims", ctypes.c_int64 * MAX_RANK)]


class _Tensor(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("shape", _Shape), ("data", ctypes.c_void_p)]


class _ValueInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("shape", _Shape),
                ("symbols", ctypes.c_char_p * MAX_RANK), ("type", ctypes.c_void_p)]


class _String(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("n_bytes", ctypes.c_size_t)]


class _Type(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("dtype", ctypes.c_int), ("element", ctypes.c_void_p)]


class _Object(ctypes.Structure):
    _fields_ = [("type", ctypes.c_void_p), ("n_items", ctypes.c_size_t), ("items", ctypes.POINTER(_Tensor)),
                ("keys", _Tensor)]


class _Handle(ctypes.Structure):
    _fields_ = [("object", ctypes.c_void_p), ("reserved", ctypes.c_size_t)]


class _ModelOptions(ctypes.Structure):
    _fields_ = [("disable_passes", ctypes.c_char_p), ("plan_cache_bytes", ctypes.c_size_t),
                ("keep_all_values", ctypes.c_int), ("exact", ctypes.c_int), ("describe_only", ctypes.c_int),
                ("tuning_file", ctypes.c_char_p), ("cache_folder", ctypes.c_char_p), ("float16", ctypes.c_int)]


class _SessionOptions(ctypes.Structure):
    _fields_ = [("n_threads", ctypes.c_int), ("keep_denormals", ctypes.c_int), ("spin_us", ctypes.c_int),
                ("steady_threads", ctypes.c_int), ("pool", ctypes.c_void_p)]


@functools.cache
def _views(n):
    """The type of n views; ctypes takes 30 us to make one."""
    return _Tensor * n


class Error(Exception):
    """A failed call; the text is the library's message."""


def _type_at(address):
    return _Type.from_address(address) if address else None


def _fill_strings(array, kept):
    """Strings of an array as the library has them; what they point to goes into `kept`."""
    strings = (_String * max(array.size, 1))()
    for string, text in zip(strings, array.reshape(-1)):
        data = text if isinstance(text, bytes) else str(text).encode()
        block = ctypes.create_string_buffer(data, len(data) + 1)
        kept.append(block)
        string.data, string.n_bytes = ctypes.addressof(block), len(data)
    return strings


def _fill_object(address, value, kept):
    """A handle to a sequence, an optional or a map of this type."""
    kind = _type_at(address)
    items = list(value.values()) if kind.kind == MAP else list(value) if kind.kind == SEQUENCE else \
        [] if value is None else [value]
    element, thing = _type_at(kind.element), _Object(type=address, n_items=len(items))
    views = (_Tensor * max(len(items), 1))()
    for view, item in zip(views, items):
        _fill(view, item, OBJECT if element.kind else element.dtype, kind.element, kept)
    thing.items = ctypes.cast(views, ctypes.POINTER(_Tensor))
    if kind.kind == MAP:
        _fill(thing.keys, list(value), kind.dtype, None, kept)
    handle = _Handle(ctypes.addressof(thing), 0)
    kept += [views, thing]
    return handle


def _fill(view, value, dtype, address, kept):
    """Makes `view` show the value; `address`: of the type of an object. Memory goes into `kept`."""
    shape = ()
    if dtype == OBJECT:
        stored = _fill_object(address, value, kept)
        view.data = ctypes.addressof(stored)
    elif dtype == STRING:
        array = numpy.asarray(value, dtype=object)
        shape, stored = array.shape, _fill_strings(array, kept)
        view.data = ctypes.addressof(stored)
    else:
        array = numpy.asarray(value, dtype=DTYPES[dtype], order="C")
        shape, stored = array.shape, _pack(array, BITS[dtype]) if dtype in BITS else array
        view.data = stored.__array_interface__["data"][0]
    kept.append(stored)
    view.dtype, view.shape.rank = dtype, len(shape)
    view.shape.dims[:len(shape)] = shape


def _object(tensor):
    """The list, dict or optional's value behind a handle."""
    thing = _Object.from_address(_Handle.from_address(tensor.data).object)
    items = [_value(thing.items[i]) for i in range(thing.n_items)]
    kind = _type_at(thing.type).kind
    if kind == MAP:
        return dict(zip(_value(thing.keys).tolist(), items))
    return items if kind == SEQUENCE else items[0] if items else None


def _value(tensor):
    """A copy of what the library returned."""
    if tensor.dtype == OBJECT:
        return _object(tensor)
    shape = tuple(tensor.shape.dims[:tensor.shape.rank])
    n_elements = int(numpy.prod(shape, dtype=numpy.int64))
    if tensor.dtype == STRING:
        strings = (_String * n_elements).from_address(tensor.data)
        array = numpy.empty(n_elements, dtype=object)
        array[:] = [ctypes.string_at(s.data, s.n_bytes).decode(errors="surrogateescape") if s.n_bytes else ""
                    for s in strings]
        return array.reshape(shape)
    dtype = numpy.dtype(DTYPES[tensor.dtype])
    if tensor.dtype in BITS:
        bits = BITS[tensor.dtype]
        data = ctypes.string_at(tensor.data, (n_elements * bits + 7) // 8)
        return _unpack(data, dtype, bits, n_elements).reshape(shape)
    return numpy.frombuffer(ctypes.string_at(tensor.data, n_elements * dtype.itemsize), dtype=dtype).reshape(shape)


DEFAULT_LIBRARY = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../build/libpith.so")
_libraries = {}  # by path


def load_library(path=None):
    """The library, ready for calls; Model() does this too."""
    path = str(path or os.environ.get("PITH_LIBRARY") or DEFAULT_LIBRARY)
    if path in _libraries:
        return _libraries[path]
    library = _libraries[path] = ctypes.CDLL(path)
    library.pith_ctx_error.restype = ctypes.c_char_p
    library.pith_version.restype = ctypes.c_char_p
    for name in ("pith_model_input", "pith_model_output"):
        getattr(library, name).restype = ctypes.POINTER(_ValueInfo)
    library.pith_session_output.restype = ctypes.POINTER(_Tensor)
    for name in ("ctx_create", "model_load", "model_n_inputs", "model_n_outputs", "session_create", "session_run"):
        getattr(library, "pith_" + name)  # looked up now, not while a model starts
    _views(1)
    return library


class Model:
    """A loaded model with one session."""

    def __init__(self, path, threads=0, isa=None, disable_passes=None, library=None, exact=False,
                 float16=False):
        self._library = load_library(library)
        self._ctx, self._model, self._session = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        if self._library.pith_ctx_create(None, ctypes.byref(self._ctx)) != 0:
            raise MemoryError("pith_ctx_create")
        if isa:
            self._check(self._library.pith_ctx_set_isa_limit(self._ctx, isa.encode()))
        options = _ModelOptions(disable_passes.encode() if disable_passes else None, 0, 0, int(exact), 0, None, None,
                                int(float16))
        self._check(self._library.pith_model_load(self._ctx, os.fsencode(path), ctypes.byref(options),
                                                  ctypes.byref(self._model)))
        options = _SessionOptions(threads, 0, 0, 0, None)
        self._check(self._library.pith_session_create(self._model, ctypes.byref(options), ctypes.byref(self._session)))
        self.inputs = [self._library.pith_model_input(self._model, i)[0]
                       for i in range(self._library.pith_model_n_inputs(self._model))]
        self.output_names = [self._library.pith_model_output(self._model, i)[0].name.decode()
                             for i in range(self._library.pith_model_n_outputs(self._model))]
        self._run, self._arrays = None, None

    def close(self):
        """Releases everything; called by the garbage collector too."""
        self._library.pith_session_destroy(self._session)
        self._library.pith_model_destroy(self._model)
        self._library.pith_ctx_destroy(self._ctx)
        self._session = self._model = self._ctx = ctypes.c_void_p()
        self._run = None

    def __del__(self):
        if getattr(self, "_ctx", None):
            self.close()

    def _check(self, status):
        if status != 0:
            raise Error(self._library.pith_ctx_error(self._ctx).decode())

    def bind(self, feeds):
        """Takes the inputs for execute(): a dict from input name to array."""
        views = _views(len(self.inputs))()
        arrays = []  # those bound before live until all of these are known to be right
        for view, info in zip(views, self.inputs):
            _fill(view, feeds[info.name.decode()], info.dtype, info.type, arrays)
        self._arrays = arrays
        self._run = functools.partial(self._library.pith_session_run, self._session, views, len(views))

    def execute(self):
        """Runs on the bound inputs without touching the outputs: what benchmarks time."""
        if self._run is None:
            raise Error("execute() has no inputs yet: bind() them first")
        status = self._run()
        if status:
            self._check(status)

    def _output(self, index):
        return _value(self._library.pith_session_output(self._session, index)[0])

    def run(self, feeds):
        """Runs once and returns copies of the outputs by name."""
        self.bind(feeds)
        self.execute()
        return {name: self._output(index) for index, name in enumerate(self.output_names)}
