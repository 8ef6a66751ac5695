#!/bin/sh
# Installs the peers into a throw-away environment under build/ and compares; arguments as compare.py.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
environment="$root/build/peers-env"
[ -f "$root/build/libpith.so" ] || "$root/run" build
if [ ! -x "$environment/bin/python" ]; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet -r "$root/bench/peers/requirements.txt"
fi
exec "$environment/bin/python" "$root/bench/peers/compare.py" "$@"
