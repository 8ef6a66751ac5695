#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the peers into a throw-away environment under build/, makes the comparison set and compares; arguments as compare.py.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
environment="$root/build/peers-env"
[ -f "$root/build/libpith.so" ] || "$root/run" build
if [ ! -x "$environment/bin/python" ]; then
    python3 -m venv "$environment"
    # One by one, so that a peer without a wheel for this Python leaves only its own column empty.
    while read -r package; do
        "$environment/bin/pip" install --quiet "$package" || echo "no $package for this Python; its column stays empty" >&2
    done < "$root/bench/peers/requirements.txt"
    "$environment/bin/pip" install --quiet --no-deps pnnx || true # declares torch, which its program doesn't need
fi
[ -d "$root/build/networks" ] || "$environment/bin/python" "$root/bench/networks/make.py" -o "$root/build/networks"
exec "$environment/bin/python" "$root/bench/peers/compare.py" "$@"
