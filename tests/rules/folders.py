"""Folders: what stands at the top level, a README for each folder, one file of each name."""

from collections import defaultdict

from source import FOLDERS, files, finish, root, text_of

TOP = set(FOLDERS) | {"CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE", "build"}
COMMON = {"README.md", "CMakeLists.txt"}  # the names that every folder may have


def check_readme(top, folder):
    """the folder's own; deeper down a line in that of a folder above is enough"""
    if (top / folder / "README.md").exists():
        return
    above = [place / "README.md" for place in folder.parents if (top / place / "README.md").exists() and place.parts]
    named = any(f"{folder.name}/" in text_of(top, readme) for readme in above)
    if len(folder.parts) == 1 or folder.parts[0] == "src" or not named:
        yield folder, 0, "has no README.md"


def check(top):
    for path in sorted(top.iterdir()):
        if path.name not in TOP and not path.name.startswith("."):
            yield path.name, 0, "does not belong at the top level"
    places, folders = defaultdict(list), set()
    for path in files(top):
        folders.update(folder for folder in path.parents if folder.parts)
        if path.parts[0] in ("src", "include", "tests") and path.name not in COMMON:
            places[path.name].append(path)
    for folder in sorted(folders):
        yield from check_readme(top, folder)
    for paths in places.values():
        for path in paths[1:]:
            yield path, 0, f"the name is taken by {paths[0]}"


finish(root(), "folders", check(root()))
