#!/bin/bash
# One small file of each format, as this program writes it: make.sh ARCHIVE.tar.gz, with SEGMPI_BINARY.  Files of a
# released version are never made again; a new version of a format gets an archive of its own.
set -euo pipefail

archive=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
segmpi() { "$SEGMPI_BINARY" "$@" --quiet; }

segmpi generate 60 -o all.h5 --csv all.csv --seed 3
cut -d, -f1-3,7,14 all.csv >clients.csv # five columns: small files
rm all.h5 all.csv
few=(-k 3 --n-init 2 --stability 2)
code=(--embed autoencoder --ae-layers 3 --ae-code 2 --ae-epochs 4)
segmpi import clients.csv -o clients.h5
segmpi describe clients.h5 -o describe.h5
segmpi elbow clients.h5 -o elbow.h5 --k-max 4 --n-init 2 --gap 2 --stability 2
segmpi fit clients.h5 -o model.h5 "${few[@]}" --elbow elbow.h5
segmpi fit clients.h5 -o code.h5 "${few[@]}" "${code[@]}"
segmpi score model.h5 clients.h5 -o scores.h5
segmpi compare scores.h5 scores.h5 --json comparison.json
# asked to stop when it is about to choose segments: what was learned until then is kept
SEGMPI_FAULT=segments_alloc:kind=stop segmpi fit clients.h5 -o stopped.h5 "${few[@]}" "${code[@]}" && exit 1
tar --sort=name --owner=0 --group=0 --numeric-owner -czf "$archive" -- *
