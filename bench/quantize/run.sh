#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what the comparison needs into a throw-away environment under build/ and compares; arguments as compare.py.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
environment="$root/build/quantize-env"
[ -f "$root/build/libpith.so" ] || "$root/run" build
if [ ! -x "$environment/bin/python" ]; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet -r "$root/bench/quantize/requirements.txt"
fi
exec "$environment/bin/python" "$root/bench/quantize/compare.py" "$@"
