#!/bin/bash
# A small chain of commands on two ranks under Valgrind: valgrind.sh, with SEGMPI_BINARY.  Ends with 0 if nothing is
# found: no access out of place, no value that was never set, no memory definitely lost.  Minutes; not in the default run.
set -euo pipefail

here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
# shellcheck source=jobs/mpi-env.sh
. "$here/../../jobs/mpi-env.sh"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
segmpi() { # WORD...
    printf 'segmpi %s\n' "$*"
    SEGMPI_DEADLINE=0 mpirun -n 2 valgrind -q --num-callers=60 --suppressions="$here/valgrind.supp" --leak-check=full \
        --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=42 "$SEGMPI_BINARY" "$@" --quiet
}

few=(-k 3 --n-init 2 --stability 2)
segmpi generate 1500 -o all.h5 --csv clients.csv
segmpi import clients.csv -o clients.h5 --columns BALANCE,PURCHASES,CASH_ADVANCE,CREDIT_LIMIT
segmpi describe clients.h5 -o describe.h5
segmpi elbow clients.h5 -o elbow.h5 --k-max 4 --n-init 2 --gap 2 --stability 2
segmpi fit clients.h5 -o model.h5 "${few[@]}" --elbow elbow.h5
segmpi fit clients.h5 -o code.h5 "${few[@]}" --embed autoencoder --ae-layers 3 --ae-code 2 --ae-epochs 2
segmpi score model.h5 clients.h5 -o scores.h5 --csv scores.csv
segmpi compare scores.h5 scores.h5 --json comparison.json
