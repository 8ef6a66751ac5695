#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The Python binding: runs, inputs that stay bound when others are refused, a copy that lies anywhere.
. "$(dirname "$0")/support.inc"

library=$(dirname "$pith")/libpith.so
if ! python3 -c 'import numpy' 2>/dev/null; then
    skip "no numpy"
elif [ ! -f "$library" ] || grep -q __asan_init "$library"; then
    skip "no shared library that Python can load"
else
    what="binding"
    PITH_LIBRARY=$library PYTHONPATH=$root/bindings/python PYTHONDONTWRITEBYTECODE=1 python3 - > out 2> err <<'END'
import numpy
import pith

model = pith.Model("tiny.onnx")
print(model.run({"x": [[1, 2, 3]]})["y"].tolist())
model.bind({"x": numpy.array([[1, 1, 1]], "float32")})
try:
    model.bind({"z": 0})
except KeyError as error:
    print("lacks", error)
others = [numpy.full((1, 3), 100, "float32") for _ in range(100)]
model.execute()
print(model._output(0).tolist())
text = open(pith.__file__).read()
exec(compile(text, "/app/pith.py", "exec"), {"__name__": "pith", "__file__": "/app/pith.py"})
END
    is out <<'END'
[[5.0, 8.0]]
lacks 'x'
[[3.0, 2.0]]
END
    is err < /dev/null
fi
finish
