"""The rules are able to fail: each violation, planted in a copy of the tree, is found."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ranks

HERE = Path(__file__).parent
TOP = HERE.parents[1]

LONG = "void seg_long(void)\n{\n" + "    ;\n" * 70 + "}\n"
COMPLEX = "int seg_complex(int a)\n{\n" + "    if (a) return 1;\n" * 15 + "    return 0;\n}\n"

# rule, file that gets the text at its end, text, what is said of that file
PLANTS = [
    ("layers", "src/base/text.c", '#include "segmpi/comm.h"\n', "base/ includes 'segmpi/comm.h' of comm/"),
    ("layers", "src/table/table_find.c", '#include "segmpi/stats.h"\n', "table/ includes 'segmpi/stats.h'"),
    ("layers", "src/prep/prep_fit.c", '#include "segmpi/pca.h"\n', "prep/ includes 'segmpi/pca.h' of embed/"),
    ("layers", "include/segmpi/error.h", '#include "segmpi/comm.h"\n', "base/ includes 'segmpi/comm.h'"),
    ("layers", "src/main.c", '#include "segmpi/table.h"\n', "main.c needs segmpi/cli.h only"),
    ("layers", "src/cli/cmd_fit.c", '#include "prep_internal.h"\n', "'prep_internal.h' is not in src/cli/"),
    ("layers", "src/cli/cmd_fit.c", '#include "../prep/prep_internal.h"\n', "for its own folder only"),
    ("layers", "tests/unit/test_prep.c", '#include "../../src/prep/prep_internal.h"\n', "for its own folder only"),
    ("layers", "src/prep/prep_fit.c", "#include <mpi.h>\n", "<mpi.h>: MPI belongs to comm/"),
    ("layers", "src/comm/rows.c", "#include <hdf5.h>\n", "<hdf5.h>: HDF5 belongs to store/"),
    ("layers", "src/table/table_find.c", "#include <cblas.h>\n", "BLAS, LAPACK belongs to kernel/"),
    ("layers", "src/table/table_find.c", "#include <immintrin.h>\n", "intrinsics belongs to kernel/"),
    ("layers", "src/report/report_json.c", "#include <jansson.h>\n", "jansson belongs to base/"),
    ("layers", "src/base/text.c", "#include <zlib.h>\n", "<zlib.h> is not in the list"),
    ("layers", "include/segmpi/comm.h", "#include <mpi.h>\n", "<mpi.h>: MPI belongs to"),
    ("layers", "include/segmpi/comm.h", "unknown_type seg_x;\n", "does not compile alone"),
    ("layers", "include/segmpi/orphan.h", "void seg_orphan_do(void);\n", "no folder defines its functions"),
    ("layers", "src/prep/prep_twin.c", "seg_status seg_agree(void)\n{\n}\n", "a contract has one side",
     "include/segmpi/comm.h"),
    ("layers", "src/prep/prep_fit.c", "int x = MPI_COMM_NULL;\n", "MPI_COMM_NULL: MPI does not belong here"),
    ("layers", "src/store/planted.c", "int x = MPI_SUM;\n", "MPI_SUM: MPI does not belong here"),
    ("layers", "src/table/table_find.c", "hid_t x;\n", "hid_t: HDF5 does not belong here"),
    ("layers", "src/table/table_find.c", "int x = H5Dread(1);\n", "H5Dread: HDF5 does not belong here"),
    ("layers", "src/comm/rows.c", "void f(void)\n{\n    exit(1);\n}\n", "exit() ends the process"),
    ("layers", "src/comm/rows.c", "void f(void)\n{\n    MPI_Abort(1, 0);\n}\n", "MPI_Abort() ends the process"),
    ("layers", "src/misc/misc.c", "int x;\n", "src/misc/ is not a folder of STYLE's table"),
    ("ranks", "src/prep/prep_fit.c", "seg_status f(seg_comm *comm)\n{\n    SEG_TRY(seg_alloc(1, 1, 0));\n"
     "    return seg_agree(comm, 0);\n}\n", "'seg_alloc(1, 1, 0)' is this rank's own"),
    ("ranks", "src/prep/prep_fit.c", "void f(seg_comm *comm)\n{\n    (void)comm;\n}\n", "f() takes a seg_comm * and"),
    ("words", "src/base/text.c", "int x = atoi(1);\n", "atoi() is banned"),
    ("words", "include/segmpi/text.h", "int x = strcpy (1);\n", "strcpy() is banned"),
    ("words", "tests/unit/test_base.c", "int x = assert(1);\n", "assert() is banned"),
    ("words", "src/base/text.c", "/* TO" "DO: mend */\n", "is unfinished work"),
    ("words", "README.md", "FIX" "ME\n", "is unfinished work"),
    ("words", "tests/e2e/test_cli.py", "# X" "XX\n", "is unfinished work"),
    ("words", "src/base/README.md", "see /wo" "rk/x\n", "is a path of one machine"),
    ("words", "jobs/README.md", "see /ho" "me/x\n", "is a path of one machine"),
    ("lengths", "src/base/text.c", "/*\n" + "\n" * 500 + "*/\n", "500 are the limit"),
    ("lengths", "tests/e2e/test_cli.py", "\n" * 500, "500 are the limit"),
    ("lengths", "src/base/text.c", f"int {'x' * 100};\n", "105 columns"),
    ("lengths", "src/base/text.c", LONG, "seg_long() has 72 lines"),
    ("lengths", "src/base/text.c", COMPLEX, "seg_complex() has complexity 16"),
    ("lengths", "tests/e2e/test_cli.py", "def long():\n" + "    pass\n" * 70, "long() has 71 lines"),
    ("format", "src/base/text.c", "int  x ;\n", "should be clang-formatted"),
    ("format", "jobs/planted.sh", "#!/bin/bash\nrm $1\n", "Double quote"),
    ("folders", "src/misc/misc.c", "", "has no README.md", "src/misc"),
    ("folders", "tests/planted/x.py", "", "has no README.md", "tests/planted"),
    ("folders", "notes.txt", "", "does not belong at the top level"),
    ("folders", "tests/unit/text.c", "", "the name is taken by src/base/text.c"),
    ("layers", "tests/rules/exceptions.txt", "layers src/base/text.c none\n", "layers src/base/text.c is not needed"),
    ("lengths", "tests/rules/exceptions.txt", "lengths src/x.c:f none\n", "lengths src/x.c:f is not needed"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    top = tmp_path_factory.mktemp("copy") / "tree"
    ignored = shutil.ignore_patterns("build", ".git", "__pycache__", ".pytest_cache")
    shutil.copytree(TOP, top, ignore=ignored)
    return top


def lines_of(rule, top):
    done = subprocess.run([sys.executable, HERE / f"{rule}.py", top], capture_output=True, text=True)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert done.returncode == (0 if lines[0] == f"{rule}: nothing to say" else 1)
    return set(lines)


@pytest.fixture(scope="module")
def before(copy):
    return {rule: lines_of(rule, copy) for rule in ("layers", "ranks", "words", "lengths", "format", "folders")}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant[0]}-{plant[1]}-{plant[3]}")
def test_a_planted_violation_is_found(copy, before, plant):
    rule, path, text, says = plant[:4]
    place = plant[4] if len(plant) > 4 else path
    file = copy / path
    old = file.read_bytes() if file.exists() else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes((old or b"") + text.encode())
    try:
        new = lines_of(rule, copy) - before[rule]
    finally:
        file.unlink()
        if old is not None:
            file.write_bytes(old)
    assert [line for line in new if line.startswith(f"{place}:") and says in line], new


@pytest.mark.parametrize(
    "rule, path, text",
    [
        ("words", "src/base/text.c", '/* sprintf( */ const char *x = "atoi(1)";\n'),
        ("words", "tests/e2e/test_cli.py", f'# mktemp /tmp/{"X" * 6}, ../shared/data, build/work/x\n'),
        ("layers", "src/base/text.c", '/* #include <mpi.h> MPI_Send */ const char *x = "exit(";\n'),
        ("lengths", "src/base/text.c", LONG.replace("    ;\n", "", 2)),
        ("lengths", "src/base/text.c", COMPLEX.replace("    if (a) return 1;\n", "", 1)),
    ],
)
def test_what_is_allowed_passes(copy, before, rule, path, text):
    old = (copy / path).read_bytes()
    (copy / path).write_bytes(old + text.encode())
    try:
        new = lines_of(rule, copy) - before[rule]
    finally:
        (copy / path).write_bytes(old)
    assert new <= {f"{rule}: nothing to say"}


@pytest.mark.parametrize("lengths, says", [([16] * 3, "half of the functions have 16 lines or more"),
                                           ([9] * 8 + [40] * 2, "80% of the functions have fewer than 40 lines"),
                                           ([15] * 9 + [40], None)])
def test_functions_are_short_as_a_whole(tmp_path, lengths, says):
    (tmp_path / "src").mkdir()
    (tmp_path / "tests/rules").mkdir(parents=True)
    (tmp_path / "tests/rules/exceptions.txt").touch()
    functions = [f"int f{i}(void)\n{{\n" + "    ;\n" * (n - 2) + "}\n" for i, n in enumerate(lengths)]
    (tmp_path / "src/x.c").write_text("".join(functions))
    found = lines_of("lengths", tmp_path)
    assert all(says in line for line in found) if says else found == {"lengths: nothing to say"}


def agreements(f):
    """(the body with one seg_agree(comm, local) replaced by `local`, the line) for each of a function"""
    for match in re.finditer(r"\bseg_agree\(", f.body):
        comma = ranks.end_of(f.body, match.end(), ",")
        end = ranks.end_of(f.body, comma + 1, "")
        yield f.body[: match.start()] + f.body[comma + 1 : end] + f.body[end + 1 :], f.body.count("\n", 0, match.start())


def unnoticed(top):
    """the agreements that may be left out without a word of the rule, and how many there are"""
    program, places, n = ranks.Program(top), [], 0
    before = {f: len(list(program.wrongs(f))) for f in program.functions}
    for f in program.functions:
        whole, meets = f.body, f in program.collective
        for n, (body, line) in enumerate(agreements(f), n + 1):
            f.set_body(body)
            if not any(program.named(f, name) in program.collective for name in f.calls):
                program.look()
            where = [f] if f in program.collective else program.functions
            if not any(len(list(program.wrongs(g))) > before[g] for g in where):
                places.append(f"{f.path}:{f.line + line}")
        f.set_body(whole)
        if meets and f not in program.collective:
            program.look()
    return places, n


def test_every_agreement_that_is_left_out_is_missed():
    places, n = unnoticed(TOP)
    assert n > 150 and [place.split(":")[0] for place in places] == ["src/store/keep.c"]  # test_keep.c notices it
