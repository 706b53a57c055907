#!/bin/sh
# Makes .venv-clients/<name> for each unmodified AWS client that the tests run against a real server: the AWS SDK's versions 1
# and 2 cannot be installed beside each other, nor beside us. Does nothing for one that is still what is asked for.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
folder=.venv-clients

if command -v uv >/dev/null 2>&1; then uv=uv
elif [ -x .venv/bin/uv ]; then uv=.venv/bin/uv
else
    .venv/bin/python -m pip install -q --disable-pip-version-check uv >/dev/null 2>&1 || true
    if [ -x .venv/bin/uv ]; then uv=.venv/bin/uv; else uv=; fi
fi

make_one() {
    name=$1
    shift
    venv="$folder/$name"
    wanted="$*"
    if [ -x "$venv/bin/python" ] && [ -f "$venv/.stamp" ] && [ "$(cat "$venv/.stamp")" = "$wanted" ]; then
        return 0
    fi
    echo "Installing $* into $venv ..."
    rm -rf "$venv"
    if [ -n "$uv" ]; then
        "$uv" venv -q --python "$python" "$venv"
        "$uv" pip install -q --python "$venv/bin/python" "$@"
    else
        "$python" -m venv "$venv"
        "$venv/bin/python" -m pip install -q --disable-pip-version-check "$@"
    fi
    printf %s "$wanted" > "$venv/.stamp"
}

mkdir -p "$folder"
# Its generated protobuf code is older than what current releases of protobuf read.
make_one sdk-v1 'sagemaker==1.72.1' 'protobuf<3.21' 'pandas'
make_one sdk-v2 'sagemaker==2.257.7'
