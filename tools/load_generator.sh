#!/bin/sh
# The load of the serving benchmarks comes from wrk: a generator in Python would take more of the machine than what it measures.
set -eu
command -v wrk >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    { apt-get install -y -q wrk || { apt-get update -q && apt-get install -y -q wrk; }; } >/dev/null 2>&1 || true
fi
command -v wrk >/dev/null 2>&1 || { echo "wrk is needed; install it with your system's package manager" >&2; exit 1; }
