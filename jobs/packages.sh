#!/bin/bash
# The Debian packages that segmpi needs, and how to get them: ./jobs/packages.sh installs what a build needs, with `tests` what
# the tests need too.  Sourced by demo.sh and tests/run.sh.
# shellcheck disable=SC2034

seg_packages_run=(gcc libc6-dev cmake ninja-build pkg-config openmpi-bin libopenmpi-dev libhdf5-openmpi-dev
    libopenblas-serial-dev liblapacke-dev librandom123-dev libxxhash-dev libjansson-dev libinih-dev
    libssl-dev gnuplot-nox)

seg_packages_test=(git libcmocka-dev clang-format shellcheck groff-base dpkg-dev file python3 python3-pytest python3-numpy
    python3-pandas python3-sklearn python3-h5py python3-xarray python3-netcdf4 netcdf-bin hdf5-tools strace slurm-wlm munge
    iproute2 chromium chromium-driver python3-selenium)

# Installs those of the packages that are missing.  Elsewhere than on Debian it says what is needed and goes on.
seg_packages_install() {
    local missing=() package administrator=()

    if ! command -v apt-get dpkg-query >/dev/null; then
        printf 'This is not Debian or Ubuntu. Going on with what is installed; needed are what Debian calls\n  %s\n' "$*"
        return
    fi
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    printf 'Installing %s\n' "${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            printf 'Only root can install; as root run\n  apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
            return 1
        fi
        administrator=(sudo)
    fi
    administrator+=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    "${administrator[@]}" update >/dev/null &&
        "${administrator[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    case ${1-} in
    '') seg_packages_install "${seg_packages_run[@]}" ;;
    tests) seg_packages_install "${seg_packages_run[@]}" "${seg_packages_test[@]}" ;;
    *) printf 'usage: %s [tests]\n' "$0" >&2 && exit 64 ;;
    esac
fi
