#!/bin/sh
# Makes .venv in the checkout and installs Pegbox with the extras named on the command line.
# Uses uv where it is or can be had (much faster), else pip. Does nothing when what was installed is still what is asked for.
set -eu
cd "$(dirname "$0")/.."
extras=$1
venv=.venv
python=${PYTHON:-python3}
stamp="$venv/.pegbox-$(printf %s "$extras" | tr , -)"
wanted=$(cksum < pyproject.toml)
if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Pegbox needs Python 3.11 or newer; $python is older. Set PYTHON=/path/to/python3.11." >&2
    exit 1
}
echo "Installing Pegbox [$extras] into $venv ..."
if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    # An environment that uv made earlier has no pip.
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null
    "$venv/bin/python" -m pip install -q --disable-pip-version-check uv >/dev/null 2>&1 || true
    if [ -x "$venv/bin/uv" ]; then uv="$venv/bin/uv"; else uv=; fi
fi
if [ -n "$uv" ]; then
    [ -x "$venv/bin/python" ] || "$uv" venv -q --python "$python" "$venv"
    "$uv" pip install -q --compile-bytecode --python "$venv/bin/python" -e ".[$extras]"
else
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -e ".[$extras]"
fi
# Every trial starts a fresh interpreter: nothing may have to be compiled then.
"$venv/bin/python" -m compileall -q src
printf %s "$wanted" > "$stamp"
