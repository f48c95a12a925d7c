"""Words that may not appear: unsafe calls, unfinished work, paths of one machine."""

from source import blank, files, finish, matches, root, text_of

CALLS = r"\b(strcpy|sprintf|strtok|atoi|rand|gets|assert|setlocale|system)\s*\("
# Put together, so that this file does not speak of itself.
UNFINISHED = r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b"
MACHINE = r"(?<![\w.])/(?:" + "|".join(["wo" + "rk", "ho" + "me", "ro" + "ot", "Us" + "ers"]) + r")/"


def check(top):
    for path in files(top, ".c", ".h", folders=["src", "include", "tests"]):
        for line, match in matches(CALLS, blank(text_of(top, path))):
            yield path, line, f"{match.group(1)}() is banned"
    for path in files(top) + [p.relative_to(top) for p in top.iterdir() if p.is_file()]:
        try:
            text = text_of(top, path)
        except UnicodeDecodeError:
            continue
        for pattern, what in ((UNFINISHED, "is unfinished work"), (MACHINE, "is a path of one machine")):
            for line, match in matches(pattern, text):
                yield path, line, f"'{match.group()}' {what}"


finish(root(), "words", check(root()))
