#!/bin/bash
# Benchmarks beside their peers: ./tests/bench/run.sh [NAME...] makes an environment for Python with the peers, builds the
# release, runs the benchmarks (all, or those that are named) one after the other, and writes RESULTS.md and results.svg
# beside this script, with what others have recorded before.  Nothing else should run meanwhile.  SEG_BENCH_RUNS: runs of each, 5 unless set.
# shellcheck disable=SC2016 # backquotes of Markdown
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=jobs/packages.sh
. jobs/packages.sh
build=build/bench python=build/peers/bin/python
peers=(scikit-learn scikit-learn-intelex faiss-cpu heat mpi4py torch pandas duckdb polars)
all=(lloyd fit elbow prepare import score stream autoencoder) names=("$@")
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

die() { printf 'bench: %s\n' "$*" >&2; exit 1; }

# A peer that cannot be had is named; the others go on.
install_peers() {
    local peer
    [ -x "$python" ] || /usr/bin/python3 -m venv build/peers || die 'no environment for Python'
    "$python" -m pip install -q h5py "${peers[@]}" && return
    for peer in h5py "${peers[@]}"; do
        "$python" -m pip install -q "$peer" || printf 'bench: %s cannot be installed\n' "$peer" >&2
    done
}

head_of_results() {
    printf 'Written by `tests/bench/run.sh`; what each compares stands at the head of its script. segmpi runs on 2 ranks, peers\n'
    printf 'on 2 threads, in turn, on the same file. The ratio is how many times longer the peer takes.\n\n'
    lscpu | awk -F': +' '/^Model name|^CPU\(s\)|^L2|^L3/ { print "- " $1 ": " $2 }'
    awk '/^MemTotal/ { printf "- memory: %.0f GB\n", $2 / 1e6 }' /proc/meminfo
    printf -- '- %s, Linux %s, %s\n' "$(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release)" "$(uname -r)" "$(gcc --version | head -n 1)"
    printf -- '- load before the start: %s\n' "$(cut -d' ' -f1 /proc/loadavg)"
    for peer in numpy "${peers[@]}"; do
        printf -- '- %s %s\n' "$peer" "$("$python" -c "import importlib.metadata as m; print(m.version('$peer'))" 2>/dev/null || echo 'cannot be had here')"
    done
    printf '\n```text\n'
    for name in "${all[@]}"; do printf 'SEG_BENCH_RUNS=%s python tests/bench/bench_%s.py %s\n' "${SEG_BENCH_RUNS:-5}" "$name" "$build"; done
    printf '```\n'
}

seg_packages_install "${seg_packages_run[@]}" libcmocka-dev python3-venv || die 'packages are missing'
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null || die 'configuring failed'
cmake --build "$build" >/dev/null || die 'building failed'
install_peers

failed=0
mkdir -p "$build/records"
head_of_results >"$build/head.md"
SEG_BENCH_COMMIT=$(git describe --always --dirty)
export SEG_BENCH_COMMIT
for name in "${names[@]}"; do
    printf '== %s\n' "$name"
    rm -f "$build/records/$name"
    SEG_BENCH_RECORDS=$build/records/$name "$python" -B "tests/bench/bench_$name.py" "$build" && continue
    failed=1
    printf '\n`bench_%s.py` failed: its figures are missing.\n' "$name" >>"$build/head.md"
done
/usr/bin/python3 -B tests/bench/results.py "$build/records" "$build/head.md" tests/bench || failed=1
exit "$failed"
