"""Leaves out one sync, one read-back, one check or one seg_agree() at a time, and tries the tests that should notice.

    tests/fault/mutants.py FOLDER [SECONDS] > record.md

works in a copy of the last commit in FOLDER, which is built once: every place that can be left out has a number there,
and SEGMPI_MUTANT says which one is. It stops after SECONDS, and goes on from there when it is started again. The record
is MUTANTS.md.

Which fault an agreement is there for is not guessed: the copy writes down where a rank brings a failure to an agreement.
Where no fault shows what is wrong, the rule ranks.py may still say so, as it does of all of them in each run of the tests.
"""

import collections
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import test_faults as faults

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests/rules"))
from test_rules import unnoticed  # noqa: E402

RANKS = 3
faults.SECONDS = 60  # a rank that waits for ever is noticed by its exit code, on a busy machine too

# What is left out beside agreements: kind, file, text, tests.
SYNC, READ_BACK = "sync", "read-back"
DURABILITY = ["tests/fault/test_durability.py", "-k"]
OTHERS = [
    (SYNC, "src/store/output_commit.c", "seg_part_sync(&out->part)", [*DURABILITY, "import or score"]),
    (SYNC, "src/base/text_file.c", "seg_part_sync(&part)", [*DURABILITY, "export"]),
    (SYNC, "src/table/csv_output.c", "seg_part_sync(&csv->part)", [*DURABILITY, "generate or score"]),
    (SYNC, "src/report/page_folder.c", "seg_file_sync(figures)", [*DURABILITY, "report"]),
    (SYNC, "src/report/page_folder.c", "sync_report(part)", [*DURABILITY, "report"]),
    (SYNC, "src/base/part.c", "sync_file(folder, true, part->path)", [*DURABILITY, "export"]),
    (READ_BACK, "src/store/output_commit.c", "read_back(comm, out)", ["tests/fault/test_faults.py", "-k", "store_verify"]),
]

HEADER = """#pragma once
#define _GNU_SOURCE
#include "segmpi/comm.h"
int mutant(int place);
int64_t mutant_allocations(void);
seg_status mutant_agree(int place, seg_comm *comm, seg_status local);
"""
# The copy's error.c, memory.c and comm.c end with these.
PLACES = {
    "src/base/error.c": """
#include <stdlib.h>
int mutant(int place)
{
    const char *text = getenv("SEGMPI_MUTANT");
    return text && atoi(text) == place;
}
""",
    "src/base/memory.c": """
int64_t mutant_allocations(void)
{
    return calls;
}
""",
    "src/comm/comm.c": """
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
seg_status mutant_agree(int place, seg_comm *comm, seg_status local)
{
    const char *path = getenv("MUTANT_LOG");
    char line[100];

    if (path && seg_comm_size(comm) > 1) {
        int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
        int size = snprintf(line, sizeof line, "%d %d %d %lld\\n", place, seg_error_rank(), (int)local,
                            (long long)mutant_allocations());
        if (write(file, line, (size_t)size) != size) abort();
        (void)close(file);
    }
    return mutant(place) ? local : (seg_agree)(comm, local);
}
""",
}

Place = collections.namedtuple("Place", "number kind where text tests")


def numbered(folder):
    """rewrites the sources of the copy; its places"""
    places = []

    def left_out(file, text, match):
        line, what = text.count("\n", 0, match.start()), match.group()
        kind, tests = next(((kind, tests) for kind, where, named, tests in OTHERS if (where, named) == (file, what)),
                           ("agreement", None))
        places.append(Place(len(places) + 1, kind, f"{file}:{line + 1}", text.splitlines()[line].strip(), tests))
        if kind == "agreement":
            return f"mutant_agree({places[-1].number}, "
        return f"(mutant({places[-1].number}) ? 0 : {what})"

    for path in sorted((folder / "src").rglob("*.c")):
        file, text = str(path.relative_to(folder)), path.read_text()
        wanted = [r"(?<!seg_status )\bseg_agree\((?!\))", *(re.escape(what) for _, where, what, _ in OTHERS if where == file)]
        changed = re.sub("|".join(wanted), lambda match: left_out(file, text, match), text)
        if file == "src/comm/comm.c":
            changed = changed.replace("seg_status seg_agree(seg_comm", "seg_status (seg_agree)(seg_comm")
        path.write_text(changed + PLACES.get(file, ""))
    (folder / "mutant.h").write_text(HEADER)
    return places


def build(folder):
    """a copy of the last commit in which every place can be left out; its places"""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(f"git -C '{TOP}' archive HEAD | tar -x -C '{folder}'", shell=True, check=True)
    places = numbered(folder)
    for words in (["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DSEG_FAULTS=ON",
                   f"-DCMAKE_C_FLAGS=-include {folder}/mutant.h -I{folder}/include", "-DCMAKE_C_COMPILER_LAUNCHER=ccache"],
                  ["ninja", "-C", "build", "segmpi", "segmpi_shim"]):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"the copy does not build:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return places


class Bench:
    """runs of the copy, and what is known of them"""

    def __init__(self, folder):
        self.program, self.numbers = str(folder / "build/src/segmpi"), count()
        self.runs = folder / "runs"
        shutil.rmtree(self.runs, ignore_errors=True)
        self.environment = dict(os.environ, SEGMPI_DEADLINE="8", MPIEXEC_TIMEOUT="60")
        self.inputs = faults.inputs.__wrapped__(self.segmpi, self)

    def mktemp(self, name):
        folder = self.runs / name
        folder.mkdir(parents=True)
        return folder

    def segmpi(self, *words, ranks, ok=True):
        subprocess.run(["mpirun", "-n", str(ranks), self.program, *map(str, words)], env=self.environment, check=ok,
                       capture_output=True)

    def start(self, words, folder, fault, env):
        words = [re.sub(r"\{(.*)\}", rf"{self.inputs}/\1", word) for word in words]
        return subprocess.Popen(["mpirun", "-n", str(RANKS), self.program, *words], cwd=folder,
                                env={**self.environment, "SEGMPI_FAULT": fault, **env}, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run(self, command, fault, **env):
        """a Run of test_faults.py, and the lines of its agreements: (place, rank, status, allocations)"""
        folder = self.mktemp(str(next(self.numbers)))
        log = self.runs / f"{folder.name}.log"
        found = faults.Run(self.start, self.inputs, folder, command, fault, env={**env, "MUTANT_LOG": str(log)})
        lines = [tuple(map(int, line.split())) for line in log.read_text().splitlines()] if log.exists() else []
        return found, lines

    def check(self, how, place=None):
        """None if the run ends as a test wants it; otherwise what is wrong"""
        command, fault, allocation, code, says = how
        env = {"SEGMPI_MUTANT": str(place)} if place else {}
        found, _ = self.run(command, fault, **env, **({"SEGMPI_ALLOC": allocation} if allocation else {}))
        try:
            found.check_failed(code, says, faults.NAMED.get(fault.split(":")[0], ()))
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return f"{found.code}" + ("" if found.code != code else f" {str(error).splitlines()[0][:60]}")
        return None


def brought(lines, rank):
    """the agreement to which that rank brings a failure"""
    return next((place for place, r, status, _ in lines if r == rank and status not in (0, 75)), None)


def by_site(bench, site):
    """the agreement that a fault at a site of one rank gets to, and how it was made"""
    for command in faults.order(site):
        for rank in (1, 0):
            found, lines = bench.run(command, f"{site}:rank={rank}")
            if found.code not in (0, 75):
                return brought(lines, rank), [command, f"{site}:rank={rank}", None, faults.SITES[site],
                                              f"injected fault at '{site}'"]
    return None, [site]


def allocations(bench, wanted):
    """those between an agreement and the one before, in runs without faults: {command, rank and number: None}"""
    tries = {place: {} for place in wanted}
    for command in faults.COMMANDS:
        _, lines = bench.run(command, "", SEGMPI_ALLOC="0")
        for rank in (1, 0):
            last = 0
            for place, r, _, n in lines:
                if r == rank:
                    if n > last and len(tries.get(place, "....")) < 4:
                        tries[place].update({(command, rank, i): None for i in {last + 1, n}})
                    last = n
    return sorted({how for hows in tries.values() for how in hows})


def by_allocation(bench, how):
    command, rank, number = how
    _, lines = bench.run(command, "", SEGMPI_ALLOC=f"{number}:rank={rank}")
    return brought(lines, rank), [command, "", f"{number}:rank={rank}", 71, "out of memory"]


def verdict(bench, number, ways):
    for how in ways:
        wrong = bench.check(how, number)
        if wrong:
            name = f"allocation {how[2]} of `{how[0]}`" if how[2] else f"`{how[1]}`"
            return f"{name}: {wrong}"
    return "**nothing**"


def by_tests(folder, place):
    result = subprocess.run(["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *place.tests],
                            cwd=folder, capture_output=True, text=True,
                            env={**os.environ, "SEGMPI_BINARY": str(folder / "build/src/segmpi"),
                                 "SEGMPI_MUTANT": str(place.number)})
    failed = re.findall(r"^FAILED \S*::(\S+)", result.stdout, re.M)
    return f"`{failed[0]}`" if failed else "**nothing**" if result.returncode == 0 else "an error"


def kept(path, make):
    """what make() returns, from a file if it was made before"""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(json.dumps(make()))
    return json.loads(path.read_text())


def each(path, items, work, end):
    """[work(item)]; those that are in the file already are not done again"""
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = [item for item, _ in known]

    def one(item):
        if item in done or time.monotonic() > end:
            return
        known.append([item, work(item)])
        with path.open("a") as file:
            file.write(json.dumps(known[-1]) + "\n")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, items))
    if time.monotonic() > end:
        sys.exit(f"{len(known)} of {len(items)} in {path.name}")
    return known


def main():
    folder, end = Path(sys.argv[1]).resolve(), time.monotonic() + float((sys.argv[2:3] or ["1e9"])[0])
    places = {number: Place(number, *rest) for number, *rest in kept(folder / "places", lambda: build(folder))}
    bench, (silent, _) = Bench(folder), unnoticed(TOP)
    ways = [way for _, way in each(folder / "sites", sorted(faults.SITES), lambda site: by_site(bench, site), end)]
    reached = {place for place, _ in ways}
    rest = [p.number for p in places.values() if p.kind == "agreement" and p.number not in reached]
    tries = kept(folder / "tries", lambda: allocations(bench, rest))
    ways += [way for _, way in each(folder / "allocations", tries, lambda how: by_allocation(bench, how), end)]

    def judge(number):
        if places[number].tests:
            return by_tests(folder, places[number])
        said = verdict(bench, number, [how for place, how in ways if place == number])
        return said if said != "**nothing**" or places[number].where in silent else "`ranks.py` alone"

    known = each(folder / "record", list(places), judge, end)
    print("| place | left out | noticed by |\n| --- | --- | --- |")
    for number, said in sorted(known):
        print(f"| {places[number].where} | `{places[number].text}` | {said} |")
    print(f"\n{len(known)} mutants, {sum(not said.startswith('**') for _, said in known)} noticed")


if __name__ == "__main__":
    main()
