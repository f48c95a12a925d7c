#!/bin/bash
# All tests: ./tests/run.sh installs what is missing (Debian 12, root or sudo), builds the presets `ci` and `debug`, runs
# everything on the first and the unit tests and a slice of the others under sanitizers on the second; then one leg of the
# matrix (matrix.sh), another one with each commit.  ./tests/run.sh LEG... runs these legs only, ./tests/run.sh all every one.
# Ends with 0 only if tests ran and none failed.
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top" || exit 1
# shellcheck source=jobs/packages.sh
. jobs/packages.sh
# shellcheck source=tests/matrix.sh
. tests/matrix.sh

passed=0 failed=0 run_as=()

die() { printf 'tests: %s\n' "$*" >&2; exit 1; }

build() { # PRESET
    printf '== Building preset %s\n' "$1"
    cmake --preset "$1" >"build/$1.log" 2>&1 || { cat "build/$1.log"; die "configuring $1 failed"; }
    cmake --build --preset "$1" >>"build/$1.log" 2>&1 || { tail -n 60 "build/$1.log"; die "building $1 failed"; }
}

# ctest of one build, and what it counted.  Two tests share the cores: many of them wait more than they compute.
run() { # BUILD [OPTION of ctest...]
    local log=build/$1-tests.log good bad

    printf '\n== Tests of build/%s\n' "$1"
    # Open MPI 4.1 removes its folder of sessions when the last one ends, even where another is about to use it.
    # shellcheck disable=SC2016 # for the shell of that user
    "${run_as[@]}" sh -c 'mkdir -p -m 700 "${TMPDIR:-/tmp}/ompi.$(uname -n | cut -d. -f1).$(id -u)/kept"'
    "${run_as[@]}" ctest --test-dir "build/$1" --output-on-failure -j "$((2 * $(nproc)))" "${@:2}" 2>&1 | tee "$log"
    good=$(grep -cE '^ *[0-9]+/[0-9]+ Test .* Passed ' "$log")
    bad=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed.*/\1/p' "$log")
    if [ -z "$bad" ] || [ $((good + bad)) -eq 0 ]; then die "build/$1 ran no test"; fi
    passed=$((passed + good)) failed=$((failed + bad))
}

seg_packages_install "${seg_packages_run[@]}" "${seg_packages_test[@]}" || die 'packages are missing'
mkdir -p build
if [ $# -gt 0 ]; then
    matrix "$@"
else
    build ci
    build debug
    run ci
    PYTEST_ADDOPTS='-k "not dry_run"' run debug -R '^(unit_.*|fuzz_.*|e2e_cli|e2e_inspect)$' # dry_run fits large tables
    matrix "$(matrix_leg_of_commit)"
fi

# What was skipped is told with its reason.
skipped=$(grep -ahE '^SKIPPED \[[0-9]+\]' build/*/Testing/Temporary/LastTest.log | sort -u)
[ -z "$skipped" ] || printf '\n%s\n' "$skipped"
n_skipped=$(printf '%s\n' "$skipped" | awk -F'[][]' '/^SKIPPED/ { n += $2 } END { print n + 0 }')

printf '\n%d minutes\n%d passed, %d failed, %d skipped\n' $((SECONDS / 60)) "$passed" "$failed" "$n_skipped"
[ "$failed" -eq 0 ]
