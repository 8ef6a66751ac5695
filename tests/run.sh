#!/bin/sh
# All tests of one build folder: checks of the tree, the C tests, the command-line tests.
# Ends with `N passed, N failed, N skipped`.
set -u
build=${1:-build}
root=$(cd "$(dirname "$0")/.." && pwd)
passed=0 failed=0 skipped=0

# Runs a command that closes with such a line, and adds it up; a command without one counts as failed.
count() {
    echo "== $*"
    log=$(mktemp)
    { "$@" 2>&1 || echo "exit status $?"; } | tee "$log"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
    if [ -n "$line" ]; then
        # shellcheck disable=SC2046 # words wanted
        set -- $(echo "$line" | tr -c '0-9\n' ' ')
        passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
        grep -q '^exit status' "$log" && [ "$2" = 0 ] && failed=$((failed + 1))
    else
        failed=$((failed + 1))
        echo "no result from: $*"
    fi
    rm -f "$log"
}

if command -v python3 >/dev/null; then
    for check in layers sizes symbols; do
        count python3 "$root/tools/check_$check.py" "$build"
    done
fi
sh "$root/tools/unpack_suite.sh" "$build"
if command -v python3 >/dev/null; then
    python3 "$root/tools/make_onnx_suite.py" "$build"
fi
count "$build/pith_tests"
if command -v python3 >/dev/null && [ -f "$build/onnx_suite_results.tsv" ]; then
    python3 "$root/tools/report_onnx_suite.py" "$build"
fi
if command -v python3 >/dev/null; then # with the onnx package: types as the standard has them, docs/operators.md is true
    count python3 "$root/tools/check_types.py" "$build"
    count python3 "$root/tools/make_operators_md.py" "$build" --check
fi
if command -v python3 >/dev/null; then # docs/cli.md is what the tool says
    count python3 "$root/tools/make_cli_md.py" "$build" --check
fi
if [ -f "$build/onnx-env/complete" ]; then
    count "$build/onnx-env/bin/python" "$root/tools/check_versions.py" "$build"
fi
for script in "$root"/tests/cli/*.sh; do
    [ -f "$script" ] && count sh "$script" "$build"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
