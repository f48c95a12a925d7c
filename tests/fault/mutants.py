"""Leaves out one sync, one read-back or one seg_agree() at a time, and runs the tests that should notice.

    tests/fault/mutants.py FOLDER [SECONDS] > record.md

works in a copy of the last commit in FOLDER and stops after SECONDS; the record is tests/fault/MUTANTS.md.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DURABILITY = ["tests/fault/test_durability.py", "-k"]
FAULTS = ["tests/fault/test_faults.py", "-k"]
HEADER = "#define seg_alone(comm, status) ((void)(comm), (status))\n#define seg_skip(call) ((void)sizeof(call), 0)\n"

# file, what is left out, the tests: syncs and read-backs
SYNCS = [
    ("src/store/output_commit.c", "seg_part_sync(&out->part)", [*DURABILITY, "import or score"]),
    ("src/base/text_file.c", "seg_part_sync(&part)", [*DURABILITY, "export"]),
    ("src/table/csv_output.c", "seg_part_sync(&csv->part)", [*DURABILITY, "generate or score"]),
    ("src/report/page_folder.c", "seg_file_sync(figures)", [*DURABILITY, "report"]),
    ("src/report/page_folder.c", "sync_report(part)", [*DURABILITY, "report"]),
    ("src/base/part.c", "sync_file(folder, true, part->path)", [*DURABILITY, "export"]),
    ("src/store/output_commit.c", "read_back(comm, out)", [*FAULTS, "store_verify"]),
]
# files whose seg_agree() are left out one by one, and the sites of faults behind them
AGREEMENTS = {
    "src/table/csv_output.c": "generate_csv",
    "src/store/output_open.c": "store_alloc or store_create",
    "src/store/output_rows.c": "store_skeleton or store_open or store_space",
    "src/store/output_commit.c": "store_runs or store_sync or store_seal or store_verify or store_rename or store_write",
}


def mutants(folder):
    """(file, line, what, mutated text, tests)"""
    for file, what, tests in SYNCS:
        text = (folder / file).read_text()
        for match in re.finditer(re.escape(what), text):
            yield file, text[:match.start()], what, f"seg_skip({what})", text[match.end():], tests
    for file, sites in AGREEMENTS.items():
        text = (folder / file).read_text()
        for match in re.finditer(r"\bseg_agree\(", text):
            line = text[text.rfind("\n", 0, match.start()) + 1:text.index("\n", match.start())].strip()
            yield file, text[:match.start()], line, "seg_alone(", text[match.end():], [*FAULTS, sites]


def run(words, folder, **options):
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, **options)


def main():
    folder, end = Path(sys.argv[1]).resolve(), time.monotonic() + float((sys.argv[2:3] or ["1e9"])[0])
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(f"git -C '{TOP}' archive HEAD | tar -x -C '{folder}'", shell=True, check=True)
    (folder / "mutant.h").write_text(HEADER)
    setup = run(["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DSEG_FAULTS=ON",
                 f"-DCMAKE_C_FLAGS=-include {folder}/mutant.h", "-DCMAKE_C_COMPILER_LAUNCHER=ccache"], folder)
    build = ["ninja", "-C", "build", "segmpi", "segmpi_shim"]
    if setup.returncode or run(build, folder).returncode:
        sys.exit("the copy does not build")
    environment = {**os.environ, "SEGMPI_BINARY": str(folder / "build/src/segmpi")}
    counts = [0, 0]
    print("| place | left out | noticed by |\n| --- | --- | --- |", flush=True)
    for file, before, what, mutated, after, tests in mutants(folder):
        if time.monotonic() > end:
            break
        path = folder / file
        whole = path.read_text()
        path.write_text(before + mutated + after)
        if run(build, folder).returncode:
            verdict = "does not build"
        else:
            result = run(["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests], folder,
                         env=environment)
            failed = re.findall(r"^FAILED \S*::(\S+)", result.stdout, re.M)
            verdict = f"`{failed[0]}`" if failed else "**nothing**" if result.returncode == 0 else "an error"
            counts[bool(failed)] += 1
        path.write_text(whole)
        print(f"| {file}:{before.count(chr(10)) + 1} | `{what}` | {verdict} |", flush=True)
    print(f"\n{sum(counts)} mutants, {counts[1]} noticed")


if __name__ == "__main__":
    main()
