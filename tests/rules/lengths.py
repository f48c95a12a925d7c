"""Lengths: files, functions, lines, and the number of ways through a function."""

import ast
import re

from source import blank, files, finish, functions, root, text_of

FILE, FUNCTION, COLUMNS, COMPLEXITY = 500, 70, 100, 15
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


def check(top):
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
