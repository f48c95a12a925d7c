# Sourced by run.sh, whose run() it calls: other compilers, MPIs, instruction sets, users and languages.
# shellcheck shell=bash disable=SC2034

matrix_legs=(clang mpich ref user r)
# What few cores do within some minutes.
matrix_few=(-R '^unit_|^e2e_(clients|inspect)$' -E '_(3|7|64)$')

matrix_leg_of_commit() {
    local head
    head=$(git rev-parse --short=8 HEAD 2>/dev/null) || head=0
    printf '%s\n' "${matrix_legs[$((16#$head % ${#matrix_legs[@]}))]}"
}

matrix_build() { # NAME [OPTION of cmake...]
    printf '== Building build/%s\n' "$1"
    {
        cmake -S . -B "build/$1" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG=-O1 -DSEG_WERROR=ON "${@:2}" &&
            cmake --build "build/$1"
    } >"build/$1.log" 2>&1 || { tail -n 60 "build/$1.log"; die "building $1 failed"; }
}

# build/ci is there after run.sh's main part.
matrix_ci() { [ -x build/ci/src/segmpi ] || build ci; }

leg_clang() {
    seg_packages_install clang || die 'packages are missing'
    matrix_build clang -DCMAKE_C_COMPILER=clang
    run clang "${matrix_few[@]}"
}

leg_mpich() {
    seg_packages_install mpich libmpich-dev libhdf5-mpich-dev || die 'packages are missing'
    matrix_build mpich -DSEG_MPI=mpich
    run mpich -R '^unit_|^e2e_(clients|inspect|readers)$' -E '_(3|7|64)$'
}

leg_ref() { # a CPU without AVX
    matrix_ci
    SEGMPI_SIMD=ref run ci -R '^unit_|^e2e_clients$' -E '_(3|7)$|kernels'
}

leg_user() { # not root, in a language with decimal commas
    local home=$PWD/build/user

    seg_packages_install locales || die 'packages are missing'
    matrix_ci
    mkdir -p "$home"
    localedef -i de_DE -f UTF-8 "$home/de_DE.UTF-8" || die 'no locale'
    run_as=(env "HOME=$home" "TMPDIR=$home" "LOCPATH=$home" LC_ALL=de_DE.UTF-8)
    if [ "$(id -u)" -eq 0 ]; then
        chown -R 65534 build/ci "$home"
        run_as+=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    fi
    if "${run_as[@]}" test -x build/ci/src/segmpi; then
        run ci -R '^e2e_(clients|prepare)$'
    else
        printf 'skipped: another user than root cannot come to this folder\n'
    fi
    run_as=()
}

leg_r() {
    seg_packages_install r-bioc-rhdf5 || die 'packages are missing'
    matrix_ci
    run ci -R '^e2e_readme$'
}

matrix() { # LEG..., or all
    [ "$1" != all ] || set -- "${matrix_legs[@]}"
    for leg; do
        declare -F "leg_$leg" >/dev/null || die "there is no leg '$leg'; there are ${matrix_legs[*]}"
        printf '\n== Leg %s of the matrix (%s)\n' "$leg" "${matrix_legs[*]}"
        "leg_$leg"
    done
}
