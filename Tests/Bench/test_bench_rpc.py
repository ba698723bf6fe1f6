"""The benchmark of the RPC runtime: that it believes no run it should not, what it computes, and that it runs."""

import dataclasses
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

import mobo_h2load
import mobo_process
from mobo_deployment import await_true
from mobo_h2load import LoadFailed, Shape

RPC = pathlib.Path(__file__).resolve().parent / "rpc"
sys.path.insert(0, str(RPC))
measure = importlib.import_module("measure")
report = importlib.import_module("report")

OUTPUT = """\
finished in 12.50ms, 80000.00 req/s, 8.04MB/s
requests: 1000 total, 1000 started, 1000 done, {succeeded} succeeded, {failed} failed, 0 errored, 0 timeout
status codes: {ok} 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 8.20MB (8602120) total, 3.91MB (4100472) headers (space savings 92.54%), 2.29MB ({data}) data
                     min         max         mean         sd        +/- sd
"""


def output(succeeded=1000, failed=0, ok=1000, data=23_000):
    return OUTPUT.format(succeeded=succeeded, failed=failed, ok=ok, data=data)


def test_a_complete_run_is_believed():
    result = mobo_h2load.parse(output(), 1000, 23_000)
    assert (result.requests, result.seconds, result.per_second) == (1000, 0.0125, 80_000)


@pytest.mark.parametrize("text", [
    output(succeeded=999, failed=1), output(ok=999), output(data=22_977), "could not connect", ""])
def test_a_run_with_a_request_that_failed_is_not(text):
    with pytest.raises(LoadFailed):
        mobo_h2load.parse(text, 1000, 23_000)


@pytest.mark.parametrize("text, seconds", [("5us", 5e-6), ("1.5ms", 1.5e-3), ("2.25s", 2.25), ("3m", 180)])
def test_durations_are_read_in_every_unit(text, seconds):
    assert mobo_h2load.seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("size, head", [(16, b"\0\0\0\0\x12\x0a\x10"), (4096, b"\0\0\0\x10\x03\x0a\x80\x20")])
def test_a_body_is_one_grpc_message(size, head):
    body = Shape("x", size, 1, 1).body
    assert body.startswith(head) and len(body) == len(head) + size


def run(server, cpu, shape=measure.SHAPES[0], number=1):
    return measure.Run(server, shape, number, 1000, 0.01, cpu, 100, 200, 1 << 20)


def test_ratios_are_medians_and_a_peers_cheapest_variant_counts():
    runs = [run("ours", cpu, number=number) for number, cpu in enumerate((4.0, 9.0, 3.0), 1)]
    runs += [run("cpp (async)", 16.0), run("cpp (callback)", 12.0)]
    text = report.Report(runs, [], {"go": "not installed"}).json({})
    assert text.startswith('{"ratios":{"go":null,"cpp":3.0},"runs":[{')
    document = json.loads(text)
    assert [one["cpuMicrosPerRequest"] for one in document["runs"]] == [4, 9, 3, 16, 12]
    assert document["missing"] == {"go": "not installed"}


def test_without_runs_every_ratio_is_null():
    text = report.Report([], ["ours: did not start"], {}).json({})
    assert text.startswith('{"ratios":{"go":null,"cpp":null},"runs":[]')


@pytest.mark.parametrize("cpu, verdict", [(4.0, "met"), (4.01, "NOT MET")])
def test_the_bar_is_told_from_what_exceeds_it(cpu, verdict):
    line = report.Report([run("ours", cpu)], [], {}).bar().splitlines()[0]
    assert line.strip().startswith(verdict)


def bench(*arguments, **options):
    command = [sys.executable, "-B", str(RPC / "bench_rpc.py"), "--bin", os.environ["MOBO_BIN_DIR"], *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_it_measures_us_beside_the_floor(tmp_path):
    """A debug build is measured here: that everything fits together, not how fast it is."""
    file = tmp_path / "table.json"
    process = bench("--quick", "--only", "limit", "--build", tmp_path / "build", "--json", file)
    table, progress = process.communicate(timeout=300)
    assert process.returncode == 0, progress
    document = json.loads(file.read_text())
    measured = {(one["server"], one["shape"]) for one in document["runs"]}
    assert measured == {(server, shape.name) for server in ("ours", "limit") for shape in measure.SHAPES}
    assert all(one["cpuMicrosPerRequest"] > 0 and one["peakResidentBytes"] > 0 for one in document["runs"])
    assert "| 16 B c8 m32 | limit |" in table


@pytest.mark.parametrize("arguments", [
    ("--rounds", "0"), ("--only", "nobody"), ("--json", "/no/such/folder/file"), ("--unknown",)])
def test_wrong_usage_is_told_before_anything_runs(arguments):
    process = bench(*arguments)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 64 and message


def test_an_interrupt_leaves_no_server_behind(tmp_path):
    process = bench("--rounds", "100", "--only", "", "--build", tmp_path)
    for line in process.stderr:
        if "answers a stock client" in line:
            break
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    # The kernel ends what was being started just then.
    assert children
    await_true(lambda: not any(mobo_process.is_alive(child) for child in children), "every child to end")


def test_shapes_are_those_of_the_bar():
    assert {report.MAIN_SHAPE, report.LARGE_SHAPE} <= {shape.name for shape in measure.SHAPES}
    assert dataclasses.astuple(measure.SHAPES[0])[1:] == (16, 8, 32)
