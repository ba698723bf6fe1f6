"""Rules about the repository itself. Each returns its violations as `file:line: what` lines."""

import pathlib
import re

FILE_LINES_MAX = 500
LINE_LENGTH_MAX = 120
FUNCTION_LINES_MAX = 70

# Each C library has one Swift importer; a raw handle never leaves it.
C_IMPORTERS = {
    "CNghttp2": ("Shared/HTTP2", "Tests/Unit/RPC/KeptBlocksTests.swift"),
    "CMongoc": ("Shared/Mongo",),
    "CProtos": ("Shared/Messages",),
    "CProtobufC": ("Shared/Messages",),
    "CZlib": ("Shared/RPC/Compression",),
    "CArgon2": ("Services/Identity/Passwords",),
}

# Tools that start, do one thing and end; whatever goes on running does without what Foundation adds to its essentials.
FOUNDATION_IMPORTERS = ("Shared/Operator/", "Shared/ProtoGen/", "Shared/BenchLoad/", "Tests/")


def is_generated(path):
    return "Generated" in path.parts or path.name.endswith((".pb-c.c", ".pb-c.h"))


def long_files(path, text):
    count = len(text.splitlines())
    return [f"{path}:1: {count} lines, at most {FILE_LINES_MAX}"] if count > FILE_LINES_MAX else []


def long_lines(path, text):
    return [
        f"{path}:{number}: {len(line)} characters, at most {LINE_LENGTH_MAX}"
        for number, line in enumerate(text.splitlines(), 1) if len(line) > LINE_LENGTH_MAX]


def unfinished(path, text):
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    return [
        f"{path}:{number}: unfinished work is an issue, not a comment"
        for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def forbidden_imports(path, text):
    """C modules outside their one importer, all of Foundation, shared code that knows a service, and impure domains."""
    found = []
    folder = path.as_posix()
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*(?:@\w+(?:\(\w+\))?\s+)?(?:\w+\s+)?import\s+(?:\w+\s+)?(\w+)", line)
        if not match:
            continue
        module = match.group(1)
        owners = C_IMPORTERS.get(module)
        if owners and not folder.startswith(owners):
            found.append(f"{path}:{number}: only {owners[0]} imports {module}")
        if folder.startswith("Shared/") and re.fullmatch(
                r"(Identity|Campaign|Order|Wallet|Audit|Gateway)(Domain|Storage|API)", module):
            found.append(f"{path}:{number}: shared code must not know a service")
        if module == "Foundation" and not folder.startswith(FOUNDATION_IMPORTERS):
            found.append(f"{path}:{number}: services import FoundationEssentials: Foundation costs them 6 MB each")
        if "/Domain/" in folder and module not in ("Kernel", "Synchronization", "FoundationEssentials", "Crypto"):
            found.append(f"{path}:{number}: a domain imports Kernel only, not {module}")
    return found


def long_functions(path, text):
    """Functions by indentation, which the formatter guarantees: from `func` to the brace below it."""
    found = []
    start = indent = name = None
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"(\s*)(?:[@\w()]+\s+)*(?:func|init)\b\W*(\w*)", line)
        if match and not line.rstrip().endswith("}"):
            start, indent, name = number, match.group(1), match.group(2) or "init"
        elif start and line == f"{indent}}}":
            if number - start + 1 > FUNCTION_LINES_MAX:
                found.append(f"{path}:{start}: {name} has {number - start + 1} lines, at most {FUNCTION_LINES_MAX}")
            start = None
    return found


def broken_links(path, text, root):
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
            if not re.match(r"[a-z]+:", target) and not (root / path.parent / target).exists():
                found.append(f"{path}:{number}: link to {target}, which does not exist")
    return found


def secrets_of_machines(path, text):
    """Paths of somebody's machine have no place in a repository."""
    pattern = re.compile(r"(?<![\w.])/(?:home|root|Users)/\w+")
    return [
        f"{path}:{number}: a path of one machine"
        for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def tracked(root, *suffixes):
    import subprocess

    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout.decode()
    paths = [pathlib.Path(name) for name in names.split("\0") if name]
    return [path for path in paths if path.suffix in suffixes and (root / path).exists()]
