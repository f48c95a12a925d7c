"""Who may include what and call what: STYLE's table of folders, decision 4 on libraries, self-contained headers."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

from source import blank, files, finish, matches, root, text_of

STEPS = [
    ["base"],
    ["comm", "kernel"],
    ["store"],
    ["table"],
    ["stats"],
    ["prep", "embed", "cluster", "quality"],
    ["segment"],
    ["model"],
    ["report"],
    ["cli"],
]
LEVEL = {folder: level for level, step in enumerate(STEPS) for folder in step}

STANDARD = set(
    """assert complex ctype errno fenv float inttypes limits math setjmp signal stdalign stdarg stdatomic stdbool stddef
    stdint stdio stdlib stdnoreturn string time dirent fcntl libgen poll pthread pwd sched spawn strings termios unistd
    sys/file sys/ioctl sys/mman sys/resource sys/stat sys/statfs sys/statvfs sys/time sys/types sys/wait""".split()
)

# library: its headers, its names in the code, the folders of src/ that may use it
LIBRARIES = {
    "MPI": (r"mpi\.h", r"\bMPIX?_\w+", {"comm"}),
    "HDF5": (r"hdf5(_hl)?\.h|H5\w+\.h", r"\bH5[A-Z]{1,2}_?\w+|\b(hid|herr|hsize|htri)_t\b", {"store"}),
    "xxHash": (r"xxh(ash|3)\.h", r"\bXXH\w+", {"store"}),
    "BLAS, LAPACK": (r"(cblas|lapacke|lapack)\.h", r"\b(cblas|LAPACKE|openblas)_\w+", {"kernel"}),
    "intrinsics": (r"\w*intrin\.h|cpuid\.h", r"\b_mm\w*_\w+|\b__builtin_(ia32|cpu)_\w+", {"kernel"}),
    "Random123": (r"Random123/\w+\.h", r"\bphilox\w+", {"base"}),
    "jansson": (r"jansson\.h", r"\bjson_(t|object|array|dump|load|string|real|integer|decref|pack)\w*", {"base"}),
    "inih": (r"ini\.h", r"\bini_parse\w*", {"base"}),
    "OpenSSL": (r"openssl/\w+\.h", r"\b(EVP|HMAC|RAND)_\w+", {"table"}),
    "argp": (r"argp\.h", r"\bargp_\w+|\bstruct argp\b", {"cli"}),
}

LEAVES = r"\b(exit|_exit|_Exit|quick_exit|abort|MPI_Abort|longjmp)\s*\("
# probe.c: a child process
MAY_LEAVE = {"src/base/error.c", "src/base/scratch.c", "src/comm/comm.c", "src/comm/stop.c", "src/comm/watchdog.c",
             "src/store/probe.c"}

COMPILE = ["cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def owners(top):
    """{header of include/segmpi: the folders that define its functions; base where it declares none}"""
    defined = defaultdict(set)
    for path in files(top, ".c", folders=["src"]):
        if len(path.parts) < 3:
            continue
        for _, match in matches(r"(?m)^(?!static\b|#|typedef\b)\w[^;{}()]*?\b(seg_\w+)\((?=[^;{}]*\)\s*\{)",
                                blank(text_of(top, path))):
            defined[match.group(1)].add(path.parts[1])
    found = {}
    for path in files(top, ".h", folders=["include"]):
        names = re.findall(r"\b(seg_\w+)\s*\(", blank(text_of(top, path)))
        found[path.name] = set().union(*(defined[name] for name in names if name in defined)) if names else {"base"}
    return found


def folder_of(path, owner):
    """of a file in src/ or include/; None for main.c and for what has no single owner"""
    if path.parts[0] == "include":
        return next(iter(owner[path.name])) if len(owner[path.name]) == 1 else None
    return path.parts[1] if len(path.parts) > 2 else None


def check_own(path, line, name, owner):
    """an include of the project's own"""
    if name.endswith("_internal.h"):
        if Path(name).name != name or path.parts[0] != "src":
            yield path, line, f"'{name}' is for its own folder only"
        return
    here = folder_of(path, owner)
    if path.name == "main.c":
        if name != "segmpi/cli.h":
            yield path, line, "main.c needs segmpi/cli.h only"
    elif name.startswith("segmpi/") and here and path.parts[0] in ("src", "include"):
        for there in owner.get(Path(name).name, set()) - {here}:
            if LEVEL[there] >= LEVEL[here]:
                yield path, line, f"{here}/ includes '{name}' of {there}/, which does not stand below it"


def check_foreign(path, line, name, allowed):
    """an include in angle brackets"""
    if name.removesuffix(".h") in STANDARD:
        return
    for library, (headers, _, folders) in LIBRARIES.items():
        if re.fullmatch(headers, name):
            if not allowed(folders):
                yield path, line, f"<{name}>: {library} belongs to {' and '.join(sorted(folders))}/"
            return
    yield path, line, f"<{name}> is not in the list of headers that the project uses"


def check_includes(top, path, owner):
    here = path.parts[1] if path.parts[0] == "src" and len(path.parts) > 2 else None
    code = blank(text_of(top, path), comments_only=True)
    for line, match in matches(r'(?m)^\s*#\s*include\s*(["<])([^">]+)[">]', code):
        kind, name = match.groups()
        if kind == '"':
            yield from check_own(path, line, name, owner)
            if path.parts[0] == "src" and name.endswith("_internal.h") and not (top / path.parent / name).exists():
                yield path, line, f"'{name}' is not in {path.parent}/"
        elif path.parts[0] != "tests":
            yield from check_foreign(path, line, name, lambda folders: here in folders)


def check_names(top, path):
    """calls and types of libraries, and calls that end the process"""
    code = blank(text_of(top, path))
    here = path.parts[1] if len(path.parts) > 2 and path.parts[0] == "src" else None
    for library, (_, names, folders) in LIBRARIES.items():
        for line, match in matches(names, code):
            name = match.group()
            if here not in folders:
                yield path, line, f"{name}: {library} does not belong here"
    for line, match in matches(LEAVES, code):
        if str(path) not in MAY_LEAVE:
            yield path, line, f"{match.group(1)}() ends the process; return a status"


def check_header(top, path):
    """compiles alone, and twice"""
    text = f'#include "segmpi/{path.name}"\n' * 2
    done = subprocess.run(COMPILE + ["-fsyntax-only", f"-I{top / 'include'}", "-x", "c", "-"], input=text,
                          capture_output=True, text=True)
    if done.returncode != 0:
        yield path, 1, f"does not compile alone: {done.stderr.splitlines()[0] if done.stderr else ''}"


def check_owner(path, folders):
    if len(folders) == 0:
        yield path, 1, "no folder defines its functions"
    if len(folders) > 1:
        yield path, 1, f"its functions are defined in {' and '.join(sorted(folders))}/; a contract has one side"


def check(top):
    owner = owners(top)
    for path in files(top, ".c", ".h", folders=["src", "include", "tests"]):
        if path.parts[0] == "src" and len(path.parts) > 2 and path.parts[1] not in LEVEL:
            yield path, 1, f"src/{path.parts[1]}/ is not a folder of STYLE's table"
            continue
        yield from check_includes(top, path, owner)
        if path.parts[0] != "tests":
            yield from check_names(top, path)
        if path.parts[0] == "include":
            yield from check_header(top, path)
            yield from check_owner(path, owner[path.name])


finish(root(), "layers", check(root()))
