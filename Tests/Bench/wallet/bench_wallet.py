"""`./mobo bench wallet`: the same transfers as plain transactions, through the wallet service, and in PostgreSQL, in one
run. deploy/local/bench.sh prepares and starts it."""

import argparse
import os
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "Support"))

from contenders import Batches, Failed, Missing, Plain, Postgres, Service  # noqa: E402
from wallet_report import Report  # noqa: E402

SUMMARY = "What a transfer costs in the wallet service, beside a plain transaction each and beside PostgreSQL, in one run."

NOTES = """\
A transfer moves one paisa from an owner to a shopper: SettleOrderFunds without an open hold, two ledger rows, audited.
plain does the same with one transaction per transfer on the same driver, rows and indexes. postgres is a stored procedure
under pgbench (prepared, fsync on): key look-up, two ordered conditional updates, two rows, four indexes. hot: half of the
debits are of one wallet. Best of the numbers of callers; the hot ratios leave out one caller, who meets nobody. database
is what the service cannot exceed: its batches, of as many transfers as stand under callers, made beforehand and committed
by one connection with nothing else running; only the commits are timed.

exit codes: 0 all was measured, 1 something failed, 64 usage, 69 something needed is missing, 130 interrupted"""

MEASURED, FAILED, USAGE, UNAVAILABLE = 0, 1, 64, 69


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"mobo: {message}\n")


def callers(text):
    numbers = [int(part) for part in text.split(",")]
    if not all(1 <= number <= 2_000 for number in numbers):
        raise argparse.ArgumentTypeError("from 1 to 2000 each")
    return numbers


def parser():
    made = Parser(
        prog="./mobo bench wallet", formatter_class=argparse.RawDescriptionHelpFormatter, description=SUMMARY,
        epilog=NOTES)
    made.add_argument("--json", metavar="FILE", help="also write every run, and the ratios, to this file")
    made.add_argument("--callers", type=callers, default=[1, 8, 32, 256], metavar="N,…", help="callers at a time")
    made.add_argument("--seconds", type=float, default=None, metavar="S", help="length of a run (default 5)")
    made.add_argument("--quick", action="store_true", help="short runs on few wallets: shows that it works")
    made.add_argument("--only", metavar="NAME,…", default="plain,service,database,postgres", help="of these contenders")
    made.add_argument("--bin", default=".build/release", help=argparse.SUPPRESS)
    made.add_argument("--mongod", help=argparse.SUPPRESS)
    made.add_argument("--wired-tiger-config", default="", help=argparse.SUPPRESS)
    return made


def say(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def measure(contender, arguments, report):
    """Every number of callers, spread and hot; then half of the best load, for the latencies."""
    seconds = arguments.seconds or (0.5 if arguments.quick else 5)
    try:
        with contender:
            for hot in (0, 50):
                contender.run(8, hot, min(seconds, 1.5))  # Warms up.
                for number in contender.numbers or arguments.callers:
                    run = contender.run(number, hot, seconds)
                    report.add(run)
                    say(f"{run.contender:<9}{'hot' if hot else 'spread':<7}{number:>4} callers  "
                        f"{run.per_second:8.0f}/s  p50 {run.p50_micros / 1000:6.2f} ms  "
                        f"p99 {run.p99_micros / 1000:7.2f} ms  {run.conflicts} conflicts")
                if contender.name == "service":
                    half = int(report.best("service", hot) / 2)
                    run = contender.run(1, hot, seconds, rate=half)
                    report.add_half_load(run)
                    say(f"{run.contender:<9}{'hot' if hot else 'spread':<7}half of it: {half}/s  "
                        f"p99 {run.p99_micros / 1000:.2f} ms")
            for problem in contender.problems():
                report.fail(f"{contender.name}: {problem}")
    except Missing as reason:
        report.missing[contender.name] = str(reason)
        say(f"not measured: {contender.name}: {reason}")
    except (Failed, OSError) as error:
        report.fail(f"{contender.name}: {error}")
        say(f"FAILED: {contender.name}: {error}")


def interrupted(_signal, _frame):
    raise KeyboardInterrupt


def main():
    options = parser()
    arguments = options.parse_args()
    names = {"plain": Plain, "service": Service, "database": Batches, "postgres": Postgres}
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(names):
        options.error(f"--only knows {', '.join(names)}; not {', '.join(sorted(unknown))}")
    if arguments.json:
        arguments.json = pathlib.Path(os.environ.get("MOBO_CALLED_FROM", "."), arguments.json)
        if not os.access(arguments.json.parent, os.W_OK):
            options.error(f"--json {arguments.json}: no folder to write to")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    binaries = pathlib.Path(arguments.bin).resolve()
    for name in ("wallet", "bench-wallet"):
        if not os.access(binaries / name, os.X_OK):
            print(f"mobo: no {binaries / name}: swift build -c release", file=sys.stderr)
            return UNAVAILABLE
    started = time.monotonic()
    report = Report()
    wallets = 200 if arguments.quick else 10_000
    mongod = arguments.mongod and [
        arguments.mongod, "--wiredTigerEngineConfigString", arguments.wired_tiger_config]
    for name in names:
        if name in chosen:
            measure(names[name](binaries, mongod, wallets, say), arguments, report)
        else:
            report.missing[name] = "not asked for"
    print(report.table())
    print(f"\nBar and goal (PLATFORM 5):\n{report.bar()}")
    if ceiling := report.ceiling():
        print(f"\nWhat the database allows, if all else took no time:\n{ceiling}")
    print(f"\nLoad average {os.getloadavg()[0]:.1f}. Took {time.monotonic() - started:.0f} s.")
    for name, reason in report.missing.items():
        print(f"Not measured: {name}: {reason}")
    for failure in report.failures:
        print(f"FAILED: {failure}")
    if arguments.json:
        arguments.json.write_text(report.json({"quick": arguments.quick, "wallets": wallets}), encoding="utf-8")
    return FAILED if report.failures else MEASURED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("mobo: interrupted; everything that was started is stopped", file=sys.stderr)
        sys.exit(130)
