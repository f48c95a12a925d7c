# Sourced by the scripts: what Open MPI, HDF5 and OpenBLAS need from the environment.  What is set already stays.
# shellcheck shell=bash

seg_default() { [ -n "${!1+set}" ] || export "$1=$2"; }

if [ "$(id -u)" -eq 0 ]; then
    seg_default OMPI_ALLOW_RUN_AS_ROOT 1
    seg_default OMPI_ALLOW_RUN_AS_ROOT_CONFIRM 1
fi
seg_default OPENBLAS_NUM_THREADS 1 # a rank is one thread
seg_default OMP_NUM_THREADS 1
seg_default OMPI_MCA_orte_base_help_aggregate 0 # or some error texts are lost

if [ -z "${SLURM_JOB_ID-}" ]; then
    # One machine, perhaps with fewer cores than ranks: share the cores, talk through memory.
    seg_default OMPI_MCA_rmaps_base_oversubscribe 1
    seg_default OMPI_MCA_mpi_yield_when_idle 1
    seg_default OMPI_MCA_hwloc_base_binding_policy none
    seg_default PRTE_MCA_rmaps_default_mapping_policy :oversubscribe # the same for Open MPI 5
    seg_default PRTE_MCA_hwloc_default_binding_policy none
    seg_default OMPI_MCA_pml ob1 # starts three times as fast: no search for a network
    seg_default OMPI_MCA_btl self,vader
else
    # The cluster's own settings decide on network and binding.  A lost host is noticed in 11 s instead of 480.
    seg_default OMPI_MCA_oob_tcp_keepalive_time 5
    seg_default OMPI_MCA_oob_tcp_keepalive_intvl 2
    seg_default OMPI_MCA_oob_tcp_keepalive_probes 3
fi
