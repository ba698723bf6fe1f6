"""`./mobo bench rpc`: measures servers in turns, prints a table, writes JSON. deploy/local/bench.sh prepares and starts
it."""

import argparse
import os
import pathlib
import platform
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "Support"))

import peers  # noqa: E402
from measure import FULL, QUICK, SHAPES, Server  # noqa: E402
from mobo_h2load import LoadFailed  # noqa: E402
from report import OURS, Report  # noqa: E402

SUMMARY = "The cost of a unary call on our RPC runtime, beside other gRPC servers, in one run."

NOTES = """\
CPU time is that of the server's process alone and holds its value while other work runs on the machine; requests per
second and latency do not. Every figure is the median of the rounds; servers take turns within a round. Before it is
timed, a server answers a stock client; a run counts only if every request got its whole answer.

exit codes: 0 all was measured, 1 a server or a run failed, 64 usage, 69 something needed is missing, 130 interrupted"""

# Exit codes: everything asked for was measured; something failed; as other commands of the project.
MEASURED, FAILED, USAGE, UNAVAILABLE = 0, 1, 64, 69


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"mobo: {message}\n")


def positive(text):
    number = int(text)
    if not 1 <= number <= 100:
        raise argparse.ArgumentTypeError("must be from 1 to 100")
    return number


def parser():
    names = list(dict.fromkeys(peer.name for peer in peers.PEERS))
    described = "\n".join(f"  {name:<6} {peers.DESCRIPTIONS[name]}" for name in [OURS, *names])
    loads = "\n".join(
        f"  {shape.name:<13} {shape.data_bytes} bytes of data, {shape.connections} × {shape.streams} calls at a time "
        "(connections × streams)" for shape in SHAPES)
    made = Parser(
        prog="./mobo bench rpc", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{SUMMARY}\n\nservers:\n{described}\n\nloads (h2load, one thread, h2c):\n{loads}",
        epilog=NOTES)
    made.add_argument("--json", metavar="FILE", help="also write every run, and the ratios, to this file")
    made.add_argument("--rounds", type=positive, default=None, metavar="N", help="rounds over all servers (default 5)")
    made.add_argument("--quick", action="store_true", help="short runs, one round: shows that it works, not how fast")
    made.add_argument("--only", metavar="NAME,…", default=None, help="these peers only; ours is always measured")
    made.add_argument("--with-swift", action="store_true", help="also grpc-swift-2, whose first build takes minutes")
    made.add_argument("--bin", default=".build/release", help=argparse.SUPPRESS)  # Where bench-echo is.
    made.add_argument("--build", default=".mobo/bench", help=argparse.SUPPRESS)  # Where peers are built.
    made.add_argument("--needs", action="store_true", help=argparse.SUPPRESS)  # Checks the options, prints names.
    return made


def chosen_peers(arguments):
    """The peers to measure. Raises ValueError for a name that is none."""
    names = {peer.name for peer in peers.PEERS}
    wanted = names - {"swift"}
    if arguments.only is not None:
        wanted = {name for name in arguments.only.split(",") if name}
        unknown = wanted - names - {OURS}
        if unknown:
            raise ValueError(f"--only knows {', '.join(sorted(names))}; not {', '.join(sorted(unknown))}")
    if arguments.with_swift:
        wanted.add("swift")
    return [peer for peer in peers.PEERS if peer.name in wanted]


def say(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def processors():
    """One for the server and another for h2load; the same where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) == 1:
        say("one CPU only: h2load takes turns with the server, so requests per second and latency mean little")
    return usable[0], usable[min(1, len(usable) - 1)]


def prepare(arguments, chosen):
    """Commands by title, and why peers are missing by name."""
    missing = {}
    if not any(peer.name == "swift" for peer in chosen) and arguments.only is None:
        missing["swift"] = "not asked for (--with-swift)"
    commands = {OURS: [f"{arguments.bin}/bench-echo", "--port", "{port}", "--threads", "1"]}
    for peer in chosen:
        if peer.name in missing:
            continue
        try:
            executable = peers.build(peer.source, pathlib.Path(arguments.build).resolve(), say)
            commands[peer.title] = [executable, "{port}", *peer.arguments]
        except peers.Missing as reason:
            missing[peer.name] = str(reason)
    for name, reason in missing.items():
        say(f"not measured: {name}: {reason}")
    return commands, missing


class Benchmark:
    def __init__(self, commands, rounds, effort):
        self.commands = commands
        self.rounds = rounds
        self.effort = effort
        self.runs = []
        self.failures = []
        self.servers = []

    def run(self):
        server_cpu, client_cpu = processors()
        try:
            self._start(server_cpu)
            for number in range(1, self.rounds + 1):
                for shape in SHAPES:
                    self._take_turns(number, shape, client_cpu)
        finally:
            for server in self.servers:
                server.close()

    def _start(self, cpu):
        for title, command in self.commands.items():
            server = None
            try:
                server = Server(title, command, cpu)
                server.await_listening().check()
                self.servers.append(server)
                say(f"{title} answers a stock client")
            except (LoadFailed, OSError) as error:
                self._fail(title, error)
                if server:
                    server.close()
            except BaseException:
                if server:
                    server.close()
                raise

    def _take_turns(self, number, shape, cpu):
        """Another one begins each round, so that nobody always runs on a machine that just rested."""
        first = number % max(len(self.servers), 1)
        for server in self.servers[first:] + self.servers[:first]:
            try:
                run = server.measure(shape, number, self.effort, cpu)
                self.runs.append(run)
                say(f"round {number}/{self.rounds}  {shape.name:<12}  {server.title:<14} "
                    f"{run.cpu_micros:7.2f} µs CPU  {run.per_second:8.0f} req/s")
            except (LoadFailed, OSError, AssertionError) as error:
                self._fail(f"{server.title}, {shape.name}, round {number}", error)

    def _fail(self, what, error):
        self.failures.append(f"{what}: {error}")
        say(f"FAILED: {what}: {error}")

    def in_order(self):
        """Ours first, peers as they are declared, whoever began the first round."""
        order = list(self.commands)
        return sorted(self.runs, key=lambda run: (run.round, SHAPES.index(run.shape), order.index(run.server)))


def interrupted(_signal, _frame):
    raise KeyboardInterrupt


def main():
    options = parser()
    arguments = options.parse_args()
    try:
        chosen = chosen_peers(arguments)
    except ValueError as error:
        options.error(str(error))
    if arguments.json:
        arguments.json = pathlib.Path(os.environ.get("MOBO_CALLED_FROM", "."), arguments.json)
    if arguments.json and not os.access(arguments.json.parent, os.W_OK):
        options.error(f"--json {arguments.json}: no folder to write to")
    if arguments.needs:
        print("\n".join(dict.fromkeys(peer.name for peer in chosen)))
        return MEASURED
    for number in (signal.SIGINT, signal.SIGTERM):  # A parent that runs in the background hands SIGINT down ignored.
        signal.signal(number, interrupted)
    if not os.access(f"{arguments.bin}/bench-echo", os.X_OK):
        print(f"mobo: no {arguments.bin}/bench-echo: swift build -c release --product bench-echo", file=sys.stderr)
        return UNAVAILABLE
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    started = time.monotonic()
    commands, missing = prepare(arguments, chosen)
    benchmark = Benchmark(commands, rounds, QUICK if arguments.quick else FULL)
    benchmark.run()

    report = Report(benchmark.in_order(), benchmark.failures, missing)
    load = os.getloadavg()[0]
    print(report.table())
    print(f"\nBar (PLATFORM 1.5), medians of {rounds} round{'s' if rounds > 1 else ''}:\n{report.bar()}")
    print(f"\nLoad average {load:.1f}, about 2 of it this benchmark. Took {time.monotonic() - started:.0f} s.")
    for name, reason in missing.items():
        print(f"Not measured: {name}: {reason}")
    for failure in benchmark.failures:
        print(f"FAILED: {failure}")
    if arguments.json:
        about = {
            "rounds": rounds, "quick": arguments.quick, "machine": platform.machine(), "system": platform.platform(),
            "processors": os.cpu_count(), "loadAverage": round(load, 2)}
        arguments.json.write_text(report.json(about), encoding="utf-8")
    return FAILED if benchmark.failures or not report.runs else MEASURED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("mobo: interrupted; everything that was started is stopped", file=sys.stderr)
        sys.exit(130)
