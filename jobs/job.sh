# Sourced by the batch scripts: starts segmpi on the job's ranks, hands SLURM's warning on to it, and puts the job back
# into the queue where running it again helps.
#
# SEGMPI_HOME: the repository, if the job is not submitted from there.  SEGMPI_BINARY: the program, if it is
# neither build/release/src/segmpi nor installed beside these scripts or in PATH.  SEGMPI_LAUNCHER: srun or mpirun.
# SEGMPI_RESTARTS: how often at most (5).
# shellcheck shell=bash

home=${SEGMPI_HOME:-$SLURM_SUBMIT_DIR}
segmpi=${SEGMPI_BINARY-}
for place in "$home/build/release/src/segmpi" "$home/../../bin/segmpi" segmpi; do
    if [ -z "$segmpi" ] && command -v "$place" >/dev/null; then segmpi=$place; fi
done
# shellcheck source=jobs/mpi-env.sh
. "$home/jobs/mpi-env.sh"

# Debian's Open MPI can be started by srun where SLURM has PMIx, and by mpirun everywhere.
if [ -z "${SEGMPI_LAUNCHER-}" ]; then
    if srun --mpi=list 2>&1 | grep -qw pmix; then SEGMPI_LAUNCHER=srun; else SEGMPI_LAUNCHER=mpirun; fi
fi
if [ "$SEGMPI_LAUNCHER" = srun ]; then
    # Ranks that fail leave by themselves, with one code; --wait ends those that a killed rank leaves behind.
    launch=(srun --mpi=pmix --kill-on-bad-exit=0 --wait=15)
else
    launch=(mpirun)
fi

# seg_ranks [-n N] COMMAND...: segmpi on all ranks of the job, or on N of them; its exit code.  In the background, as
# bash handles a signal only while it waits.  Both launchers pass USR1 on to every rank: a checkpoint, then exit code 75.
# TERM is handed on as USR1: after a TERM mpirun kills the ranks within two seconds and ends with 1.
seg_ranks() {
    local n=() rc pid signalled=1
    if [ "$1" = -n ]; then n=(-n "$2"); shift 2; fi
    "${launch[@]}" "${n[@]}" "$segmpi" "$@" </dev/null &
    pid=$!
    trap 'signalled=1; kill -USR1 "$pid" 2>/dev/null' USR1 TERM
    while [ -n "$signalled" ]; do
        signalled=
        wait "$pid"
        rc=$?
    done
    trap - USR1 TERM
    return "$rc"
}

# seg_end CODE: ends the job with segmpi's exit code (jobs/README.md), or puts it back into the queue: after a checkpoint
# (75), a killed rank (137, 143) or a lost host (205).  A job that was cancelled stays so.
seg_end() {
    local count=${SLURM_RESTART_COUNT:-0} most=${SEGMPI_RESTARTS:-5}
    case $1 in 75 | 137 | 143 | 205) ;; *) exit "$1" ;; esac
    if [ "$(squeue -h -j "$SLURM_JOB_ID" -o %T)" != RUNNING ]; then exit "$1"; fi
    if [ "$count" -ge "$most" ]; then
        echo "job $SLURM_JOB_ID: exit code $1 after $count restarts, which is enough (SEGMPI_RESTARTS)" >&2
        exit "$1"
    fi
    echo "job $SLURM_JOB_ID: exit code $1, goes back into the queue (restart $((count + 1)) of $most)" >&2
    scontrol requeue "$SLURM_JOB_ID" || exit "$1"
    sleep 60 # until SLURM ends this script
    exit "$1"
}

# seg_job COMMAND...: the whole job.
seg_job() {
    local rc=0
    seg_ranks "$@" || rc=$?
    seg_end "$rc"
}
