#!/bin/bash
# Random trials for a while: tests/fault/soak.sh HOURS [LOG [KIND...]], or one again: tests/fault/soak.sh --trial NUMBER.
# Each line of the log is a trial: its number (which is its seed), kind, point and outcome; see README.md.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${SEGMPI_BINARY:=$top/build/ci/src/segmpi}"
export SEGMPI_BINARY
# shellcheck source=jobs/mpi-env.sh
. "$top/jobs/mpi-env.sh"
exec /usr/bin/python3 -B "$top/tests/fault/soak.py" "$@"
