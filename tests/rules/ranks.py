"""No rank leaves alone: between a local step that can fail and the next collective stands seg_agree().

A function is collective if it calls one that is, or MPI; calls on `self`, one rank alone, do not count. What it returns
or leaves with has to be the status of a collective function, or a judgement on what all ranks know: one of a function
that neither allocates nor touches a file. Such functions, and what calls them, bear the marks of OWN.
"""

import re
from collections import defaultdict

from source import blank, files, finish, line_of, root, text_of

OWN = re.compile(r"\b(seg_alloc|seg_fault|seg_status_of_errno|errno|H5\w+)\b")
ACCESSORS = {"seg_comm_rank", "seg_comm_size", "seg_comm_self"}
ALONE = r"\s*(?:seg_comm_self\(|(?:\w+->)?self\b)"
CALL = re.compile(rf"(?<![\w>.])(\w+)\((?!{ALONE})")
ANY_CALL = re.compile(r"(?<![\w>.])(\w+)\(")
POINTER_CALL = re.compile(r"\w+->\w+\(comm\b")
LEAVES = re.compile(r"\bSEG_TRY(?:_OR_DONE)?\(|\breturn\b|(?<![.\w])status\s*=(?!=)")


def end_of(text, at, ends):
    """of what begins at `at`: the parenthesis that closes, or one of `ends` outside of others"""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "({") - (text[i] in ")}")
        if depth < 0 or depth == 0 and text[i] in ends:
            return i
    return len(text)


class Function:
    def __init__(self, path, code, match):
        head = code[: match.start()].rstrip()
        self.head = head[max(head.rfind(";"), head.rfind("}"), head.rfind("#")) + 1 :]
        self.path, self.line = path, line_of(code, match.start())
        self.name = re.search(r"(\w+)\s*\(", self.head).group(1)
        self.set_body(match.group())

    def set_body(self, body):
        self.body, self.calls, self.any_calls = body, set(CALL.findall(body)), set(ANY_CALL.findall(body))

    def meets(self):
        return "comm->mpi" in self.body and self.name not in ACCESSORS or POINTER_CALL.search(self.body)


class Program:
    def __init__(self, top):
        self.functions = []
        for path in files(top, ".c", folders=["src"]):
            code = blank(text_of(top, path))
            self.functions += [Function(path, code, match) for match in re.finditer(r"(?ms)^\{.*?^\}", code)
                               if re.search(r"\w\s*\([^;=]*$", code[: match.start()].rstrip())]
        self.local = {(f.path, f.name): f for f in self.functions}
        self.shared = {f.name: f for f in self.functions if "static" not in f.head.split()}
        self.look()

    def named(self, caller, name):
        return self.local.get((caller.path, name)) or self.shared.get(name)

    def callers_of(self, wanted, calls):
        """the wanted functions and what calls them, at any distance"""
        callers = defaultdict(set)
        for f in self.functions:
            for name in calls(f):
                callers[self.named(f, name)].add(f)
        found, rest = set(wanted), list(wanted)
        while rest:
            new = callers[rest.pop()] - found
            found |= new
            rest += new
        return found

    def look(self):
        self.collective = self.callers_of([f for f in self.functions if f.meets()], lambda f: f.calls)
        self.own = self.callers_of([f for f in self.functions if OWN.search(f.body)], lambda f: f.any_calls)

    def is_everybodys(self, f, status):
        """a status that all ranks have alike"""
        status = status.strip()
        if status in ("", "status", "SEG_OK") or status.startswith("SEG_FAIL(") or POINTER_CALL.match(status):
            return True
        choice = end_of(status, 0, "?") + 1
        if choice <= len(status):
            other = end_of(status, choice, ":")
            return self.is_everybodys(f, status[choice:other]) and self.is_everybodys(f, status[other + 1 :])
        call = ANY_CALL.match(status)
        called = call and self.named(f, call.group(1))
        if not called or OWN.fullmatch(called.name):
            return False
        return called in self.collective and bool(CALL.match(status)) or called not in self.own

    def wrongs(self, f):
        """(line, message)"""
        if re.search(r"(?<!const )\bseg_comm \*comm\b", f.head) and f.name not in ACCESSORS:
            if f not in self.collective and "seg_comm_self(" not in f.body:
                yield f.line, f"{f.name}() takes a seg_comm * and meets nobody; const says so"
        if f not in self.collective:
            return
        for match in LEAVES.finditer(f.body):
            status = f.body[match.end() : end_of(f.body, match.end(), ",;")]
            returns = "seg_status" in f.head or not match.group().startswith("return")
            if returns and not self.is_everybodys(f, status):
                line = f.line + f.body.count("\n", 0, match.start())
                yield line, f"'{' '.join(status.split())[:60]}' is this rank's own; seg_agree() makes it everybody's"


def check(program):
    for f in program.functions:
        for line, message in program.wrongs(f):
            yield f.path, line, message, f.name


if __name__ == "__main__":
    finish(root(), "ranks", check(Program(root())))
