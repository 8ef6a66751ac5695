# SPDX-License-Identifier: Apache-2.0
"""Backend-suite cases as a small archive, for the makers of stored cases."""

import io
import tarfile

import numpy as np
from onnx import numpy_helper


def write(archive, folder, cases):
    """cases: (name, model, inputs, outputs, rtol, atol); files below `folder`, laid out as in the ONNX backend suite."""
    with tarfile.open(archive, "w:xz") as tar:
        def add(path, content):
            info = tarfile.TarInfo(f"{folder}/{path}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        for name, model, inputs, outputs, rtol, atol in cases:
            add(f"{name}/model.onnx", model.SerializeToString())
            add(f"{name}/tolerance", f"{rtol:g} {atol:g}\n".encode())
            for kind, arrays in (("input", inputs), ("output", outputs)):
                for i, array in enumerate(arrays):
                    add(f"{name}/test_data_set_0/{kind}_{i}.pb",
                        numpy_helper.from_array(np.asarray(array, order="C")).SerializeToString())
