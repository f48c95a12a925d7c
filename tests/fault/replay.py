"""What the disk may hold after a power cut, from the log of a run (shim.c).

What is written to a file stays only once that rank has synced the file, as ranks may be on different nodes; names stay
only once their folder is synced.  Until then each write, cut or whole, and each change of a name may be on the disk or
not, in any order.  A name that is changed by one rename is never half changed.
"""

import os
from itertools import product
from pathlib import Path

from kit import records

SECTOR = 512


class Node:
    """a file or folder: what is on the disk for certain, and what may be"""

    def __init__(self, content):
        self.sure = content  # bytes, or {name: Node}
        self.maybe = []  # [(rank, change)]

    def now(self):
        return apply(self.sure, [change for _, change in self.maybe])

    def sync(self, rank):
        self.sure = apply(self.sure, [change for who, change in self.maybe if who == rank])
        self.maybe = [(who, change) for who, change in self.maybe if who != rank]


def apply(content, changes):
    if isinstance(content, dict):
        content = dict(content)
        for name, *words in changes:
            one, two = words[0], words[1]
            if name == "set":
                content[one] = two
            elif name == "unlink":
                content.pop(one, None)
            elif name == "exchange" and one in content and two in content:
                content[one], content[two] = content[two], content[one]
            elif name == "rename" and one in content:
                content[two] = content.pop(one)
        return content
    text = bytearray(content)
    for name, place, data in changes:
        if name == "cut":
            del text[place:]
        text.extend(bytes(max(0, place + len(data) - len(text))))
        text[place:place + len(data)] = data
    return bytes(text)


class Disk:
    """a folder and what happens in it, record by record"""

    def __init__(self, folder, begin, end):
        self.top, self.end = str(folder), end
        self.root = Node({})
        for path, text in begin.items():
            self.add(path, Node(text), None)

    def parts(self, path):
        return [] if path == self.top else os.path.relpath(path, self.top).split("/")

    def find(self, path):
        node = self.root
        for part in self.parts(path):
            node = node.now().get(part) if node and isinstance(node.sure, dict) else None
        return node

    def add(self, path, node, rank):
        """for certain if nobody (rank None) has done it"""
        place, name = self.root, self.parts(path)
        for part in name[:-1]:
            if rank is None and part not in place.sure:
                place.sure[part] = Node({})
            place = place.now()[part]
        if rank is None:
            place.sure[name[-1]] = node
        else:
            place.maybe.append((rank, ("set", name[-1], node)))

    def rename(self, rank, name, one, two):
        place = self.find(os.path.dirname(one))
        place.maybe.append((rank, (name, os.path.basename(one), os.path.basename(two))))

    def meet(self, record):
        rank, _, name, path, other, argument, result, _, data = record
        if result < 0 or not path.startswith(self.top):
            return
        node = self.find(path)
        if name == "open" and argument & os.O_CREAT and not node:
            self.add(path, Node(b""), rank)
        elif name == "mkdir":
            self.add(path, Node({}), rank)
        elif name == "write":
            node.maybe.append((rank, ("write", argument, data)))
        elif name == "ftruncate":
            node.maybe.append((rank, ("cut", argument, b"")))
        elif name == "fsync":
            (node or self.find_made_by_others(path)).sync(rank)
        elif name == "link":
            self.add(other, node, rank)
        elif name in ("rename", "exchange"):
            self.add_made_by_others(path, rank)
            self.rename(rank, name, path, other)
        elif name in ("unlink", "rmdir"):
            self.find(os.path.dirname(path)).maybe.append((rank, ("unlink", os.path.basename(path), None)))

    def find_made_by_others(self, path):
        """a file of a child process, which is not in the log: it is there when it is synced"""
        self.add(path, Node(b""), 0)
        node = self.find(path)
        node.maybe.append((0, ("write", 0, self.end.get(os.path.basename(path), b""))))
        return node

    def add_made_by_others(self, path, rank):
        """files of child processes that nobody has synced when their folder gets its name"""
        node = self.find(path)
        if node and isinstance(node.sure, dict) and "figures" in node.now():
            figures = node.now()["figures"]
            for name in self.end:
                if name.endswith((".svg", ".png", ".pdf")) and name not in figures.now():
                    self.find_made_by_others(f"{path}/figures/{name}")


def some_of(changes, dice):
    """a legal part of what may be on the disk"""
    kept = []
    for _, change in changes:
        fate = dice.random()
        if change[0] == "write" and fate < 0.3:
            kept.append(("write", change[1], change[2][:SECTOR * dice.randrange(len(change[2]) // SECTOR + 1)]))
        elif fate < 0.65:
            kept.append(change)
    return kept


def look(node, how, dice):
    """a node as it is found after the cut: bytes, or {name: bytes}"""
    changes = [change for _, change in node.maybe]
    kept = changes if how == "all" else [] if how == "none" else some_of(node.maybe, dice)
    content = apply(node.sure, kept)
    if isinstance(content, dict):
        found = {}
        for name, child in content.items():
            below = look(child, how, dice)
            found.update({f"{name}/{rest}": text for rest, text in below.items()} if isinstance(below, dict)
                         else {name: below})
        return found
    return content


def changing(log):
    """the records after which the disk may hold something else"""
    return [record for record in records(log) if record[2] in ("write", "ftruncate", "fsync", "link", "rename", "exchange",
                                                               "unlink", "mkdir", "rmdir")
            or (record[2] == "open" and record[5] & os.O_CREAT)]


def states(log, folder, begin, end, outputs, dice, each, without=None):
    """(at the end, {path: bytes}) of the outputs at all points where something has changed, `each` random states besides
    the extremes; `without` leaves out the record of that number, as a run that forgets it would"""
    disk = Disk(folder, begin, {Path(path).name: text for path, text in end.items()})
    records_of = changing(log)
    for number, record in enumerate(records_of):
        if number != without:
            disk.meet(record)
        last = number == len(records_of) - 1
        for names, _ in product(("all", "none", "some"), range(each)):
            # names and data fail independently: the root's names by one rule, what they lead to by another
            rest = dice.choice(("all", "none", "some"))
            kept = [change for _, change in disk.root.maybe]
            kept = kept if names == "all" else [] if names == "none" else some_of(disk.root.maybe, dice)
            found = {}
            for name, node in apply(disk.root.sure, kept).items():
                if name not in outputs:
                    continue
                below = look(node, rest, dice)
                found.update({f"{name}/{more}": text for more, text in below.items()} if isinstance(below, dict)
                             else {name: below})
            yield last, found


def syncs(log):
    """numbers of the syncs among what changes something, for `without`"""
    return [number for number, record in enumerate(changing(log)) if record[2] == "fsync"]
