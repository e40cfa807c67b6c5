#!/bin/sh
# One door for people and machines. Needs Python 3.11 or newer, nothing else; on Debian it adds python3-venv when absent, and
# chromium for the tests.
#   ./go demo    set up, then `farthing demo`: the gateway on recorded answers, with sample traffic and what it saved
#   ./go serve   set up, then `farthing serve`; any other farthing command works the same way
#   ./go test    set up, then every check: lint, format, types, house rules, tests
#   ./go test-quantize   GPTQ, AWQ and int8 with the real llm-compressor on the small model of the tests, figures beside their goals; it is
#                        no part of `test`, because torch is several hundred megabytes: give it a venv of its own (FARTHING_VENV=...)
#   ./go lock    resolve pyproject.toml anew into requirements/*.txt
set -eu
cd "$(dirname "$0")"

venv=${FARTHING_VENV:-.venv}

say() { printf '%s\n' "$*" >&2; }

python() {
    for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13 python3.14; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    say "Farthing needs Python 3.11 or newer. Install it (Debian 12: apt-get install python3 python3-venv), or name one: PYTHON=/path/to/python ./go"
    exit 1
}

make_venv() {
    [ -x "$venv/bin/python" ] && return
    interpreter=$(python)
    if ! "$interpreter" -c 'import ensurepip' 2>/dev/null; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            say "This Python has no ensurepip, so it cannot make a virtual environment. Run: sudo apt-get install python3-venv"
            exit 1
        fi
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    fi
    "$interpreter" -m venv "$venv"
}

# Installs once per content of the locks; hashes are checked, and nothing outside them comes in.
install() {
    make_venv
    sum=$(cat requirements/*.txt pyproject.toml | cksum)
    for stamp in "$venv/.farthing-dev" "$venv/.farthing-$1"; do
        [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
    done
    say "Installing requirements/$1.txt into $venv ..."
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "requirements/$1.txt"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
    printf '%s' "$sum" >"$venv/.farthing-$1"
}

# The tests of the dashboard drive a real browser; without one they skip.
browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing chromium for the tests of the dashboard ..."
        apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null && return
    fi
    say "No Chromium: the tests of the dashboard in a browser will skip. Debian 12: sudo apt-get install chromium"
}

check() {
    bin=$venv/bin
    "$bin/ruff" check .
    "$bin/ruff" format --check .
    "$bin/pyright"
    "$bin/lint-imports"
    exec "$bin/python" -m pytest "$@"
}

# One resolution for both files: what the tests run on is what ships.
lock() {
    make_venv
    "$venv/bin/python" -m pip install -q --disable-pip-version-check uv
    set -- "$venv/bin/uv" pip compile -q -U --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
    "$@" --group dev --group build pyproject.toml -o requirements/dev.txt
    "$@" --group build -c requirements/dev.txt pyproject.toml -o requirements/runtime.txt
}

command=${1:-demo}
[ $# -gt 0 ] && shift
case $command in
    test)
        install dev
        browser
        check "$@"
        ;;
    test-quantize)
        make_venv
        if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
            say "Install torch 2.13.0 into $venv first: without a GPU its CPU build (pytorch.org says how), or gigabytes of CUDA follow."
            exit 1
        fi
        "$venv/bin/python" -m pip install -q --disable-pip-version-check -e '.[local,quantize]' httpx
        exec "$venv/bin/python" bench/quantize.py --only tiny "$@"
        ;;
    lock) lock ;;
    *)
        install runtime
        exec "$venv/bin/farthing" "$command" "$@"
        ;;
esac
