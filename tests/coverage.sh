#!/bin/bash
# Lines and branches of src/ that tests reach: coverage.sh [OPTION of ctest...], such as -R '^unit_'.  Builds
# build/coverage with little optimisation (with none a fit takes seven times as long); needs gcovr.  Branches that only
# hand a failure on (SEG_TRY, SEG_TRY_OR_DONE, SEG_FAIL, SEG_MPI) are not counted, lines are.  A table per folder on
# standard output, the files in build/coverage/lines.txt.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=jobs/mpi-env.sh
. jobs/mpi-env.sh
# Counts are written when a process ends by itself; here before it leaves in another way, too.
mkdir -p build/coverage
gcc -x c -c -o build/coverage/leave.o - <<'LEAVE'
#include <signal.h>
#include <unistd.h>
void __gcov_dump(void);
_Noreturn void __real__exit(int code);
int __real_raise(int number);
int __real_execv(const char *path, char *const *argv);
_Noreturn void __wrap__exit(int code) { __gcov_dump(); __real__exit(code); }
int __wrap_raise(int number) { if (number == SIGKILL) __gcov_dump(); return __real_raise(number); }
int __wrap_execv(const char *path, char *const *argv) { __gcov_dump(); return __real_execv(path, argv); }
LEAVE
cmake -S . -B build/coverage -G Ninja -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS=--coverage -Og" -DSEG_FAULTS=ON \
    "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--wrap=_exit,--wrap=raise,--wrap=execv $PWD/build/coverage/leave.o" >/dev/null
cmake --build build/coverage >/dev/null
find build/coverage -name '*.gcda' -delete
ctest --test-dir build/coverage -j 2 "$@" | tail -n 5
gcovr --root . --filter src/ --object-directory build/coverage --exclude-throw-branches \
    --exclude-branches-by-pattern '.*(SEG_TRY|SEG_TRY_OR_DONE|SEG_FAIL|SEG_MPI)\(.*' --json-summary build/coverage/summary.json \
    --txt build/coverage/lines.txt
/usr/bin/python3 -B - build/coverage/summary.json <<'END'
import collections, json, sys
sums = collections.defaultdict(lambda: [0, 0, 0, 0])
for file in json.load(open(sys.argv[1]))["files"]:
    for name in (file["filename"].split("/")[1], "all"):
        for i, key in enumerate(("line_covered", "line_total", "branch_covered", "branch_total")):
            sums[name][i] += file[key]
print(f"{'folder':10} {'lines':>14} {'branches':>16}")
for name, (line, lines, branch, branches) in sums.items():
    print(f"{name:10} {line:6} {100 * line / max(lines, 1):5.1f} % {branch:8} {100 * branch / max(branches, 1):5.1f} %")
END
