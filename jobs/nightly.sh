#!/bin/bash
# A night: new clients imported, scored with a model, compared with the last night, reported; a chain of batch jobs.
#
#   ./jobs/nightly.sh MODEL FOLDER CLIENTS.csv...
#
# Everything goes to FOLDER/DATE-TIME/; FOLDER/latest points to the last night that went well, which the next one is
# compared with (the first one with the model's training base).  Waits for the end, so that cron or a workflow sees
# it: exit code 0, or 1 and on standard error which job has failed, with the end of its log.
#
# SEGMPI_SBATCH: options for all jobs, such as "--account=risk --ntasks=64".  SEGMPI_GATE: --fail-on of the comparison,
# such as psi=0.25.  SEGMPI_IMPORT: options of segmpi import, such as "--id-column CUST_ID".
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 MODEL FOLDER CLIENTS.csv..." >&2
    exit 64
fi
SEGMPI_HOME=$(cd "$(dirname "$0")/.." && pwd)
export SEGMPI_HOME
jobs=$SEGMPI_HOME/jobs
model=$(realpath "$1") folder=$(realpath -m "$2")
shift 2
clients=()
for file in "$@"; do clients+=("$(realpath "$file")"); done
read -ra options <<<"${SEGMPI_SBATCH-}"
read -ra reading <<<"${SEGMPI_IMPORT-}"
gate=()
if [ -n "${SEGMPI_GATE-}" ]; then gate=(--fail-on "$SEGMPI_GATE"); fi

umask 077 # it is about clients
night=$(date +%F-%H%M%S)
mkdir -p "$folder/$night"
cd "$folder/$night"
old=$model
if [ -e "$folder/latest/scores.h5" ]; then old=$(realpath "$folder/latest")/scores.h5; fi

# A job whose forerunner fails is taken out of the queue, instead of waiting there for ever.
submit() { sbatch --parsable --kill-on-invalid-dep=yes --output=%x.%j.log "${options[@]}" "$@"; }

first=$(submit "$jobs/import.sbatch" "${clients[@]}" -o clients.h5 "${reading[@]}")
second=$(submit --dependency="afterok:$first" "$jobs/score.sbatch" "$model" clients.h5 -o scores.h5)
third=$(submit --dependency="afterok:$second" "$jobs/compare.sbatch" "$model" "$old" scores.h5 . "${gate[@]}")

# Requeued jobs keep their number, so the last one is done when it has left the queue.
# A busy controller may not answer; six times in a row, it is taken to have forgotten the job.
unanswered=0
while [ $unanswered -lt 6 ]; do
    if state=$(squeue -h -j "$third" -o %T 2>/dev/null); then
        unanswered=0
        if [ -z "$state" ]; then break; fi
    else
        unanswered=$((unanswered + 1))
    fi
    sleep "${SEGMPI_POLL:-10}"
done
if scontrol -o show job "$third" | grep -q "JobState=COMPLETED"; then
    ln -sfn "$night" "$folder/latest"
    echo "$folder/$night"
    exit 0
fi
for job in "$first" "$second" "$third"; do
    state=$(scontrol -o show job "$job" | grep -o "JobName=[^ ]*\|JobState=[^ ]*\|ExitCode=[^ ]*" | tr '\n' ' ')
    case $state in *JobState=COMPLETED*) continue ;; esac
    echo "$0: $night: job $job ended badly: $state" >&2
    tail -n 5 ./*."$job".log >&2 2>/dev/null || true
done
exit 1
