"""The wallet's simulation, with many more seeds than the everyday suite has."""

import os
import subprocess

import pytest

import mobo_process

SEEDS = int(os.environ.get("MOBO_SIMULATION_SEEDS", "2000"))
OPERATIONS = int(os.environ.get("MOBO_SIMULATION_OPERATIONS", "200"))
FIRST_SEED = int(os.environ.get("MOBO_SIMULATION_FIRST_SEED", "1"))


@pytest.mark.long
def test_two_thousand_seeds_leave_the_books_right_after_every_operation():
    run = mobo_process.spawn(
        [f"{os.environ['MOBO_BIN_DIR']}/wallet-simulation", "--seeds", SEEDS, "--operations", OPERATIONS,
         "--first-seed", FIRST_SEED], stdout=subprocess.PIPE, text=True)
    lines = []
    for line in run.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    assert run.wait() == 0, "".join(lines)
