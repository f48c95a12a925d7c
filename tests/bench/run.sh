#!/bin/bash
# Benchmarks beside their peers: ./tests/bench/run.sh [NAME...] makes an environment for Python with scikit-learn, PyTorch,
# pandas and DuckDB, builds the release, runs the benchmarks (all, or lloyd, elbow, import, score, autoencoder) one after the
# other, and writes what they print to tests/bench/RESULTS.md, with machine, versions, commit and commands.  Nothing else
# should run meanwhile.
# shellcheck disable=SC2016 # backquotes of Markdown
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=jobs/packages.sh
. jobs/packages.sh
# shellcheck source=jobs/mpi-env.sh
. jobs/mpi-env.sh
unset OMP_NUM_THREADS # segmpi's ranks have one thread each anyway; peers get one per rank
build=build/bench python=build/peers/bin/python results=tests/bench/RESULTS.md
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(lloyd elbow import score autoencoder)

die() { printf 'bench: %s\n' "$*" >&2; exit 1; }

seg_packages_install "${seg_packages_run[@]}" libcmocka-dev python3-venv || die 'packages are missing'
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null || die 'configuring failed'
cmake --build "$build" >/dev/null || die 'building failed'
[ -x "$python" ] || /usr/bin/python3 -m venv build/peers || die 'no environment for Python'
"$python" -m pip install -q scikit-learn h5py pandas duckdb torch || printf 'bench: some peers are missing\n' >&2

machine() {
    lscpu | awk -F': +' '/^Model name|^CPU\(s\)|^L2|^L3/ { print "- " $1 ": " $2 }'
    awk '/^MemTotal/ { printf "- memory: %.0f GB\n", $2 / 1e6 }' /proc/meminfo
    printf -- '- %s, Linux %s, %s\n' "$(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release)" "$(uname -r)" "$(gcc --version | head -n 1)"
    printf -- '- segmpi: commit %s\n' "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    "$python" - <<'PEERS'
import importlib
for name in ("sklearn", "torch", "pandas", "duckdb", "numpy"):
    try:
        print(f"- {name} {importlib.import_module(name).__version__}")
    except ImportError as error:
        print(f"- {name} is missing: {error}")
PEERS
}

one() { # NAME
    local argument=$build
    case $1 in import | score) argument=$build/src/segmpi ;; esac
    printf '\n## %s\n\n`python tests/bench/bench_%s.py %s`, load %s\n\n```\n' "$1" "$1" "$argument" "$(cut -d' ' -f1 /proc/loadavg)"
    "$python" -B "tests/bench/bench_$1.py" "$argument" 2>/dev/null || printf '(failed)\n'
    printf '```\n'
}

{
    printf '# Benchmarks\n\nWritten by `tests/bench/run.sh`; what each compares stands at the head of its script.\n\n'
    machine
    for name in "${names[@]}"; do one "$name"; done
} | tee "$results"
