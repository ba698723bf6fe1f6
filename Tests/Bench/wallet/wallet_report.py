"""The table and the JSON of `bench wallet`, from its runs. Ratio: our transfers per second divided by a peer's."""

import dataclasses
import json

# PLATFORM 5: bar and goal, as multiples of the peer's best rate.
DEMANDS = {
    "spreadVsPlain": (5.0, 8.0), "hotVsPlain": (25.0, 40.0), "spreadVsPostgres": (0.6, 1.0), "hotVsPostgres": (2.0, 3.0)}
HALF_LOAD_P99_MICROS = 50_000


@dataclasses.dataclass(frozen=True)
class Run:
    contender: str
    callers: int
    hot_percent: int
    rate: int
    transfers: int
    seconds: float
    per_second: float
    p50_micros: int
    p99_micros: int
    conflicts: int
    # CPU seconds during the run by part: database, service, load.
    cpu: dict
    # Transfers before those that are counted; their CPU time is in `cpu`.
    warm_ups: int = 0


class Report:
    def __init__(self):
        self.runs = []
        self.half_load = []
        self.missing = {}
        self.failures = []

    def add(self, run):
        self.runs.append(run)

    def add_half_load(self, run):
        self.half_load.append(run)

    def fail(self, what):
        self.failures.append(what)

    def best(self, contender, hot):
        """The best rate; of a hot wallet only where callers compete for it."""
        rates = [run.per_second for run in self.runs
                 if run.contender == contender and run.hot_percent == hot and (run.callers > 1 or not hot)]
        return max(rates, default=None)

    def ratios(self):
        def ratio(hot, peer):
            ours, theirs = self.best("service", hot), self.best(peer, hot)
            return round(ours / theirs, 2) if ours and theirs else None

        return {
            "spreadVsPlain": ratio(0, "plain"), "hotVsPlain": ratio(50, "plain"),
            "spreadVsPostgres": ratio(0, "postgres"), "hotVsPostgres": ratio(50, "postgres")}

    def table(self):
        lines = ["| debits | callers | contender | transfers/s | p50 ms | p99 ms | conflicts | CPU µs: database | service "
                 "| load |", "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|"]
        for hot in (0, 50):
            for run in sorted((run for run in self.runs if run.hot_percent == hot), key=lambda run: run.callers):
                parts = " | ".join(
                    f"{run.cpu[part] * 1e6 / (run.transfers + run.warm_ups):.0f}" if part in run.cpu and run.transfers else ""
                    for part in ("database", "service", "load"))
                lines.append(
                    f"| {'hot' if hot else 'spread'} | {run.callers} | {run.contender} | {run.per_second:.0f} "
                    f"| {run.p50_micros / 1000:.2f} | {run.p99_micros / 1000:.2f} | {run.conflicts} | {parts} |")
        return "\n".join(lines)

    def bar(self):
        lines = []
        for name, value in self.ratios().items():
            bar, goal = DEMANDS[name]
            if value is None:
                lines.append(f"  not run  {name}: bar {bar:g}, goal {goal:g}")
                continue
            verdict = "met     " if value >= bar else "NOT MET "
            distance = "goal met" if value >= goal else f"goal {goal:g}, {value / goal:.0%} of it"
            lines.append(f"  {verdict} {name}: {value:.2f}, bar {bar:g}, {distance}")
        for run in self.half_load:
            verdict = "met     " if run.p99_micros < HALF_LOAD_P99_MICROS else "NOT MET "
            lines.append(
                f"  {verdict} p99 under 50 ms at half load, {'hot' if run.hot_percent else 'spread'} "
                f"({run.rate}/s): {run.p99_micros / 1000:.2f} ms")
        ours, plain = self._alone("service"), self._alone("plain")
        if ours and plain:
            verdict = "met     " if ours <= plain else "NOT MET "
            lines.append(
                f"  {verdict} a lone call no slower than a plain transaction: {ours / 1000:.2f} ms "
                f"and {plain / 1000:.2f} ms")
        return "\n".join(lines)

    def ceiling(self):
        """What the service could come to if nothing but the database took time."""
        lines = []
        for hot in (0, 50):
            if rate := self.best("database", hot):
                peers = [f", {rate / peer:.2f} x {name}" for name in ("service", "plain", "postgres")
                         if (peer := self.best(name, hot))]
                lines.append(f"  {'hot' if hot else 'spread'}: at most {rate:.0f}/s{''.join(peers)}")
        if alone := self._alone("database"):
            lines.append(f"  a lone call: at least {alone / 1000:.2f} ms")
        return "\n".join(lines)

    def _alone(self, contender):
        return next((run.p50_micros for run in self.runs
                     if run.contender == contender and run.callers == 1 and not run.hot_percent), None)

    def json(self, about):
        def plain(run):
            return {
                "contender": run.contender, "callers": run.callers, "hotPercent": run.hot_percent, "rate": run.rate,
                "transfers": run.transfers, "seconds": round(run.seconds, 3),
                "transfersPerSecond": round(run.per_second, 1), "p50Micros": run.p50_micros,
                "p99Micros": run.p99_micros, "conflicts": run.conflicts, "cpuSeconds": run.cpu,
                "warmUps": run.warm_ups}

        document = {
            "ratios": self.ratios(), "runs": [plain(run) for run in self.runs],
            "halfLoad": [plain(run) for run in self.half_load], "missing": self.missing, "failures": self.failures,
            "about": about}
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"
