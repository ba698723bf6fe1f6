"""`./mobo bench bson`: our BSON layer and libbson's functions by turns on one document. deploy/local/bench.sh prepares
and starts it."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
WHAT = {
    "write": "building the document", "read": "reading every field of it by name, text copied out",
    "check": "checking foreign bytes completely"}


def compiled(folder):
    """The peer in C."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libbson-1.0"], check=True, capture_output=True, text=True).stdout.split()
    binary = folder / "libbson"
    subprocess.run(["cc", "-O2", "-o", binary, HERE / "libbson.c", *flags], check=True)
    return binary


def measured(binary, count):
    done = subprocess.run([binary, str(count)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"mobo: {binary.name} ended with {done.returncode}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(
        prog="./mobo bench bson", description="The cost of BSON beside libbson: nanoseconds of CPU time, one run.")
    parser.add_argument("--json", metavar="FILE", help="also write the ratios and every run to this file")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds, both by turns (default 5)")
    parser.add_argument("--quick", action="store_true", help="shows that it works, not how fast")
    parser.add_argument("--bin", required=True, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--build", required=True, type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    programs = {"ours": options.bin / "bench-bson", "libbson": compiled(options.build / "bson")}
    rounds, count = (1, 2_000) if options.quick else (max(1, options.rounds), 400_000)
    runs = [{name: measured(binary, count) for name, binary in programs.items()} for _ in range(rounds)]
    sizes = {run[name]["bytes"] for run in runs for name in programs}
    if len(sizes) != 1:
        sys.exit(f"mobo: the two do not write the same document: {sizes} bytes")

    ratios = {}
    print(f"a document of {sizes.pop()} bytes, nanoseconds of CPU time, median of {rounds}")
    for part, what in WHAT.items():
        ours, theirs = (statistics.median(run[name][part] for run in runs) for name in ("ours", "libbson"))
        ratios[part] = ours / theirs
        print(f"{part:<6} ours {ours:7.0f}   libbson {theirs:7.0f}   {ratios[part]:.2f} times   {what}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"ratios": ratios, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
