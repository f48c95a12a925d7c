#!/bin/bash
# The ten-minute demo: ./jobs/demo.sh [FOLDER] builds segmpi and segments 200,000 synthetic card holders on 4 ranks.
# It needs Debian 12 and root or sudo, and nothing else; results go to FOLDER (default: build/demo).
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(realpath -m "${1:-$top/build/demo}")
segmpi=$top/build/release/src/segmpi
# shellcheck source=jobs/packages.sh
. "$top/jobs/packages.sh"
# shellcheck source=jobs/mpi-env.sh
. "$top/jobs/mpi-env.sh"

step() { printf '\n== %s\n' "$*"; }

show() { # prints the command as a user would type it, and runs it
    printf '$ %s\n' "${*//"$segmpi"/segmpi}"
    "$@" </dev/null
}

has() { "$segmpi" help | grep -q "^  $1 "; }

step 'Packages'
seg_packages_install "${seg_packages_run[@]}"

step 'Building build/release'
(cd "$top" && cmake --preset release -DSEG_TESTS=OFF >/dev/null && cmake --build --preset release)

mkdir -p "$folder"
cd "$folder"
step 'Synthetic clients, as CSV'
show mpirun -n 4 "$segmpi" generate 200000 -o synthetic.h5 --csv clients.csv --force
show head -n 3 clients.csv

step 'From CSV to a table'
show mpirun -n 4 "$segmpi" import clients.csv -o clients.h5 --force

if has elbow; then
    step 'How many clusters?'
    show mpirun -n 4 "$segmpi" elbow clients.h5 -o elbow.h5 --k-max 12 --force
fi

step 'From the table to clusters'
show mpirun -n 4 "$segmpi" fit clients.h5 -o model.h5 --force --quiet --timing

step 'What the model says'
show "$segmpi" inspect --check model.h5
show "$segmpi" inspect model.h5

if has score; then
    step 'The same clients, scored with the model'
    show mpirun -n 4 "$segmpi" score model.h5 clients.h5 -o scores.h5 --force
fi
if has report; then
    step 'The report'
    show "$segmpi" report model.h5 -o report --force
fi

step 'Done'
printf 'The program is %s, the results are in %s:\n' "$segmpi" "$folder"
ls -sh1 "$folder"
printf 'Your own clients: mpirun -n 4 segmpi import YOURS.csv -o yours.h5, then fit (jobs/README.md; segmpi help).\n'
