"""The benchmark of the wallet service: what it computes, and that it runs."""

import dataclasses
import importlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

WALLET = pathlib.Path(__file__).resolve().parent / "wallet"
sys.path.insert(0, str(WALLET))
report = importlib.import_module("wallet_report")


def run(contender, per_second, callers=8, hot=0, p99=1_000):
    return report.Run(contender, callers, hot, 0, 100, 1.0, per_second, 500, p99, 0, {"database": 0.01})


def filled(*runs):
    made = report.Report()
    for one in runs:
        made.add(one)
    return made


def test_ratios_are_those_of_the_best_rates():
    made = filled(run("service", 900), run("service", 1_000, 32), run("plain", 90), run("plain", 100, 1))
    text = made.json({})
    assert text.startswith(
        '{"ratios":{"spreadVsPlain":10.0,"hotVsPlain":null,"spreadVsPostgres":null,"hotVsPostgres":null},"runs":[{')
    assert len(json.loads(text)["runs"]) == 4


def test_one_caller_has_no_part_in_the_rate_on_a_hot_wallet():
    made = filled(run("service", 1_000, hot=50), run("plain", 100, 1, hot=50), run("plain", 20, 8, hot=50))
    assert made.ratios()["hotVsPlain"] == 50


@pytest.mark.parametrize("ours, verdict", [(500, "met"), (499, "NOT MET")])
def test_the_bar_is_told_from_what_misses_it(ours, verdict):
    line = filled(run("service", ours), run("plain", 100)).bar().splitlines()[0]
    assert line.strip().startswith(verdict) and "goal 8" in line


def test_the_latency_at_half_load_has_a_bar_of_its_own():
    made = filled(run("service", 1_000))
    made.add_half_load(dataclasses.replace(run("service", 500, p99=51_000), rate=500))
    assert "NOT MET  p99 under 50 ms at half load" in made.bar()


def test_what_the_database_allows_is_told_beside_the_others():
    made = filled(
        run("service", 500), run("plain", 100), run("database", 40, 1), run("database", 800, 256),
        run("database", 700, 128), run("database", 900, 128, hot=50))
    assert [line.strip() for line in made.ceiling().splitlines()] == [
        "spread: at most 800/s, 1.60 x service, 8.00 x plain", "hot: at most 900/s", "a lone call: at least 0.50 ms"]


def test_nothing_is_told_of_a_ceiling_that_was_not_measured():
    assert filled(run("service", 500), run("plain", 100)).ceiling() == ""


def bench(*arguments):
    command = [
        sys.executable, "-B", str(WALLET / "bench_wallet.py"), "--bin", os.environ["MOBO_BIN_DIR"], "--mongod",
        os.environ["MOBO_MONGOD"], *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_it_measures_us_beside_plain_transactions_and_the_books_are_right(tmp_path):
    """A debug build is measured here: that everything fits together, not how fast it is."""
    file = tmp_path / "table.json"
    done = bench("--quick", "--only", "service,plain,database", "--callers", "1,8", "--json", file)
    assert done.returncode == 0, done.stderr + done.stdout
    document = json.loads(file.read_text())
    measured = {(one["contender"], one["callers"], one["hotPercent"]) for one in document["runs"]}
    assert measured == {
        (name, number, hot) for hot in (0, 50)
        for name, numbers in (("service", (1, 8)), ("plain", (1, 8)), ("database", (1, 128, 256, 500)))
        for number in numbers}
    assert all(one["transfers"] > 0 and one["p99Micros"] >= one["p50Micros"] > 0 for one in document["runs"])
    assert document["ratios"]["spreadVsPlain"] > 0 and document["ratios"]["spreadVsPostgres"] is None
    assert document["failures"] == []


@pytest.mark.parametrize("arguments", [("--callers", "0"), ("--only", "nobody"), ("--json", "/no/such/folder/file")])
def test_wrong_usage_is_told_before_anything_runs(arguments):
    done = bench(*arguments)
    assert done.returncode == 64 and done.stderr
