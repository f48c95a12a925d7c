#!/bin/bash
# The ten-minute demo: ./jobs/demo.sh [CLIENTS.csv] [FOLDER] builds segmpi and takes clients from CSV to a report: those of
# the file, or 200,000 synthetic card holders; on 4 ranks.
# It needs Debian 12 and root or sudo, and nothing else; results go to FOLDER (default: build/demo).
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
csv=
if [ -f "${1:-}" ]; then
    csv=$(realpath "$1")
    shift
elif [[ ${1:-} == *.csv ]]; then
    printf 'There is no file %s.\n' "$1" >&2
    exit 66
fi
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

parallel() { show mpirun -n 4 "$segmpi" "$@" --force; }

step 'Packages'
seg_packages_install "${seg_packages_run[@]}"

step 'Building build/release'
(cd "$top" && cmake --preset release -DSEG_TESTS=OFF >/dev/null && cmake --build --preset release)

mkdir -p "$folder"
cd "$folder"
if [ -z "$csv" ]; then
    step 'Synthetic clients, as CSV'
    parallel generate 200000 -o synthetic.h5 --csv clients.csv
    csv=clients.csv
    show head -n 3 clients.csv
fi

step 'From CSV to a table'
parallel import "$csv" -o clients.h5

step 'What the columns look like'
parallel describe clients.h5 -o describe.h5

step 'How many clusters?'
parallel elbow clients.h5 -o elbow.h5 --k-max 12

step 'From the table to clusters and segments'
parallel fit clients.h5 -o model.h5 --elbow elbow.h5 --quiet --timing

step 'The same on the code of an autoencoder'
parallel fit clients.h5 -o autoencoder.h5 --embed autoencoder --quiet --timing

step 'What the model says'
show "$segmpi" inspect --check model.h5
show "$segmpi" inspect model.h5

step 'The same clients, scored with the model'
parallel score model.h5 clients.h5 -o scores.h5

step 'The reports'
show "$segmpi" report autoencoder.h5 -o report-autoencoder --force
show "$segmpi" report model.h5 -o report --scores scores.h5 --force

step 'Done'
printf 'The program is %s, the results are in %s:\n' "$segmpi" "$folder"
ls -sh1 "$folder"
printf 'Your own clients: ./jobs/demo.sh YOURS.csv (jobs/README.md; segmpi help).\n'
printf 'Open the report in a browser: %s\n' "$folder/report/report.html"
