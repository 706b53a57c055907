#!/bin/sh
# Tests run against real parts. Where this machine lets us install them (root on Debian), bubblewrap is added, so that the
# real /opt/ml is tested; elsewhere the tests of that part prove the documented fallback instead.
set -eu
command -v bwrap >/dev/null 2>&1 && exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || exit 0
{ apt-get install -y -q bubblewrap || { apt-get update -q && apt-get install -y -q bubblewrap; }; } >/dev/null 2>&1 || true
