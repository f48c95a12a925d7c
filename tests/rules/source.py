"""What the rules share: the files of the repository, C without comments, and the list of exceptions.

A rule is a script: `python3 tests/rules/layers.py [ROOT]`.  It prints one line per violation and ends with 1 if there
is any.
"""

import os
import re
import sys
from pathlib import Path

FOLDERS = ["src", "include", "tests", "jobs", "data"]


def root():
    return Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()


def files(top, *suffixes, folders=FOLDERS):
    """paths relative to `top` with one of the suffixes (all if there are none), in order"""
    found = []
    for folder in folders:
        for place, inside, names in os.walk(top / folder):
            inside[:] = [name for name in inside if name != "__pycache__" and not name.startswith(".")]
            found += [Path(place, name).relative_to(top) for name in names if not name.startswith(".")]
    return sorted(path for path in found if not suffixes or path.suffix in suffixes)


def text_of(top, path):
    return (top / path).read_text(encoding="utf-8")


# A comment or a literal, whichever begins first.
TOKEN = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def blank(text, comments_only=False):
    """C with comments and literals overwritten by blanks: every line and column stays where it is"""

    def overwrite(match):
        token = match.group()
        return token if comments_only and token[0] in "\"'" else re.sub(r"[^\n]", " ", token)

    return TOKEN.sub(overwrite, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def matches(pattern, text):
    """(line, match) of every occurrence"""
    for match in re.finditer(pattern, text):
        yield line_of(text, match.start()), match


def functions(code):
    """(name, first line, last line, text) of every function: in the house format only its braces stand in column 0"""
    for match in re.finditer(r"^\{.*?^\}", code, re.S | re.M):
        head = code[: match.start()].rstrip()
        head = head[max(head.rfind(";"), head.rfind("}"), head.rfind("#")) + 1 :]
        name = re.search(r"(\w+)\s*\(", head)
        first = line_of(code, match.start())
        yield name.group(1) if name else "?", first, first + match.group().count("\n"), match.group()


def exceptions(top, rule):
    """{place: reason}; a line is: rule, place, reason; a place is a path or path:function"""
    listed = {}
    for line in text_of(top, "tests/rules/exceptions.txt").splitlines():
        words = line.split(None, 2)
        if len(words) == 3 and words[0] == rule:
            listed[words[1]] = words[2]
    return listed


def finish(top, rule, violations):
    """prints the violations (path, line, message, function or None) that are not listed, and ends the script"""
    listed, used, lines = exceptions(top, rule), set(), []
    for path, line, message, *function in violations:
        places = {str(path), f"{path}:{function[0] if function else ''}"} & set(listed)
        used |= places
        if not places:
            lines.append(f"{path}:{line}: {message}")
    lines += [f"tests/rules/exceptions.txt: {rule} {place} is not needed" for place in set(listed) - used]
    print("\n".join(sorted(lines)) if lines else f"{rule}: nothing to say")
    sys.exit(1 if lines else 0)
