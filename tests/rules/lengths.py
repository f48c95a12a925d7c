"""Lengths: files, functions, lines, and the number of ways through a function; how long functions are as a whole."""

import ast
import re
from statistics import median

from source import blank, files, finish, functions, root, text_of

FILE, FUNCTION, COLUMNS, COMPLEXITY = 500, 70, 100, 15
MEDIAN, NORMAL, SHARE = 15, 40, 0.85  # of the program's functions: half have 15 lines at most, 85 % fewer than 40
BRANCH = re.compile(r"\b(?:if|for|while|case)\b|&&|\|\||\?")


def check_c(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS:
            yield path, number, f"{len(line)} columns, {COLUMNS} are the limit"
    for name, first, last, body in functions(blank(text)):
        if last - first + 1 > FUNCTION:
            yield path, first, f"{name}() has {last - first + 1} lines, {FUNCTION} are the limit", name
        complexity = 1 + len(BRANCH.findall(body))
        if complexity > COMPLEXITY and path.parts[0] != "tests":  # there, conditions are assertions
            yield path, first, f"{name}() has complexity {complexity}, {COMPLEXITY} is the limit", name


def check_python(path, text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > FUNCTION:
            lines = node.end_lineno - node.lineno + 1
            yield path, node.lineno, f"{node.name}() has {lines} lines, {FUNCTION} are the limit", node.name


def check_whole(top):
    lengths = [last - first + 1 for path in files(top, ".c", ".h", folders=["src"])
               for _, first, last, _ in functions(blank(text_of(top, path)))]
    if lengths and median(lengths) > MEDIAN:
        yield "src", 0, f"half of the functions have {median(lengths):g} lines or more, {MEDIAN} are the limit"
    short = sum(length < NORMAL for length in lengths)
    if short < SHARE * len(lengths):
        yield "src", 0, f"{short / len(lengths):.0%} of the functions have fewer than {NORMAL} lines, {SHARE:.0%} have to"


def check(top):
    yield from check_whole(top)
    for path in files(top, ".c", ".h", ".py", ".sh", ".cmake", ".sbatch"):
        text = text_of(top, path)
        lines = text.count("\n")
        if lines > FILE:
            yield path, lines, f"{lines} lines, {FILE} are the limit"
        if path.suffix in (".c", ".h"):
            yield from check_c(path, text)
        if path.suffix == ".py":
            yield from check_python(path, text)


finish(root(), "lengths", check(root()))
