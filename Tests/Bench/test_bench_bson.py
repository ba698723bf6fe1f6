"""The benchmark of BSON: that both sides write the same document, and that it runs."""

import json
import os
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).resolve().parent / "bson/bench_bson.py"


def test_it_runs_and_writes_its_ratios(tmp_path):
    result = subprocess.run(
        [sys.executable, "-B", SCRIPT, "--bin", os.environ["MOBO_BIN_DIR"], "--build", tmp_path, "--quick", "--json",
         tmp_path / "out.json"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    written = json.loads((tmp_path / "out.json").read_text())
    assert list(written) == ["ratios", "runs"]
    assert set(written["ratios"]) == {"write", "read", "check"} and all(written["ratios"].values())
    assert all(name in result.stdout for name in written["ratios"])
