"""Format: clang-format 14 has nothing to change, shellcheck nothing to say."""

import re
import shutil
import subprocess
import sys

from source import files, finish, root

VERSION = "14"  # Debian 12; other versions format differently


def clang_format():
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if re.search(rf"version {VERSION}\.", said):
                return name
    sys.exit(f"format: clang-format {VERSION} is needed (Debian 12: clang-format)")


def complaints(command, pattern, top, paths):
    done = subprocess.run(command + [str(path) for path in paths], cwd=top, capture_output=True, text=True)
    for match in re.finditer(pattern, done.stdout + done.stderr, re.M):
        yield match.group(1), match.group(2), match.group(3)
    if done.returncode != 0 and not re.search(pattern, done.stdout + done.stderr, re.M):
        yield ".", 0, (done.stdout + done.stderr).strip()


def check(top):
    sources = files(top, ".c", ".h", folders=["src", "include", "tests"])
    command = [clang_format(), "--dry-run", "--Werror"]
    seen = set()
    for path, line, message in complaints(command, r"^(\S+?):(\d+):\d+: error: (.*)$", top, sources):
        if path not in seen:  # one line a file is enough
            yield path, line, message
        seen.add(path)
    scripts = files(top, ".sh", ".sbatch") + ([".ci/run"] if (top / ".ci/run").exists() else [])
    if not shutil.which("shellcheck"):
        sys.exit("format: shellcheck is needed (Debian: shellcheck)")
    if scripts:
        yield from complaints(["shellcheck", "-x", "-f", "gcc"], r"^(\S+?):(\d+):\d+: (.*)$", top, scripts)


finish(root(), "format", check(root()))
