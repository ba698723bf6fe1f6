"""The table and the JSON of a benchmark, from its runs. Ratio: a peer's CPU per request divided by ours."""

import json
import statistics

OURS = "ours"
# The shape that the ratios at the head of the JSON are about, and whose load the bar is about.
MAIN_SHAPE = "16 B c8 m32"
LARGE_SHAPE = "4 KiB c8 m32"

# PLATFORM 1.5: microseconds of CPU per request, and how many times as much the peers need.
CEILINGS = {MAIN_SHAPE: 4.0, LARGE_SHAPE: 9.0}
PEER_RATIOS = {"go": 2.5, "cpp": 3.0, "swift": 20.0}
LIMIT_MULTIPLE = 2.3


def name_of(title):
    """`cpp` of `cpp (async)`."""
    return title.partition(" ")[0]


class Report:
    def __init__(self, runs, failures, missing):
        self.runs = runs
        self.failures = failures
        self.missing = missing
        self.titles = list(dict.fromkeys(run.server for run in runs))
        self.shapes = list(dict.fromkeys(run.shape.name for run in runs))

    def median(self, title, shape, value):
        """The median over the rounds; None where nothing was measured."""
        values = [value(run) for run in self.runs if run.server == title and run.shape.name == shape]
        return statistics.median(values) if values else None

    def cpu(self, name, shape):
        """Of a peer's variants, the cheapest."""
        values = [self.median(title, shape, lambda run: run.cpu_micros)
                  for title in self.titles if name_of(title) == name]
        return min((value for value in values if value is not None), default=None)

    def ratio(self, name, shape):
        peer, ours = self.cpu(name, shape), self.cpu(OURS, shape)
        return round(peer / ours, 2) if peer and ours else None

    # --- for people ---

    def table(self):
        lines = ["| load | server | CPU µs/req | ÷ ours | req/s | busy | p50 µs | p99 µs | peak MiB |",
                 "|---|---|---:|---:|---:|---:|---:|---:|---:|"]
        for shape in self.shapes:
            for title in self.titles:
                lines.append(self._row(title, shape))
        return "\n".join(line for line in lines if line)

    def _row(self, title, shape):
        def middle(value):
            return self.median(title, shape, value)

        cpu, ours = middle(lambda run: run.cpu_micros), self.cpu(OURS, shape)
        if cpu is None:
            return f"| {shape} | {title} | failed | | | | | | |"
        ratio = f"{cpu / ours:.2f}" if ours else ""
        return (f"| {shape} | {title} | {cpu:.2f} | {ratio} | {middle(lambda run: run.per_second):.0f} "
                f"| {middle(lambda run: run.busy):.0%} | {middle(lambda run: run.p50_micros):.0f} "
                f"| {middle(lambda run: run.p99_micros):.0f} | {middle(lambda run: run.peak_bytes) / (1 << 20):.1f} |")

    def bar(self):
        """A line per demand of PLATFORM 1.5, each with what was measured."""
        lines = []
        for shape, ceiling in CEILINGS.items():
            ours = self.cpu(OURS, shape)
            lines.append(_demand(f"{shape}: at most {ceiling:g} µs", ours, lambda v, c=ceiling: v <= c))
        for shape in CEILINGS:
            multiple = self.ratio("limit", shape)
            lines.append(_demand(
                f"{shape}: at most {LIMIT_MULTIPLE:g} times the C limit", 1 / multiple if multiple else None,
                lambda v: v <= LIMIT_MULTIPLE))
        for name, least in PEER_RATIOS.items():
            for shape in CEILINGS:
                lines.append(_demand(
                    f"{shape}: at least {least:g} times as cheap as {name}", self.ratio(name, shape),
                    lambda v, least=least: v >= least))
        return "\n".join(lines)

    # --- for machines ---

    def json(self, about):
        """Begins with the ratios to grpc-go and grpc C++ at the main load (PLATFORM 11.1)."""
        document = {
            "ratios": {"go": self.ratio("go", MAIN_SHAPE), "cpp": self.ratio("cpp", MAIN_SHAPE)},
            "runs": [self._run(run) for run in self.runs],
            "medians": [self._median(title, shape) for shape in self.shapes for title in self.titles],
            "missing": self.missing,
            "failures": self.failures,
            "about": about,
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"

    def _run(self, run):
        return {
            "server": run.server, "shape": run.shape.name, "dataBytes": run.shape.data_bytes,
            "connections": run.shape.connections, "streams": run.shape.streams, "round": run.round,
            "requests": run.requests, "seconds": round(run.seconds, 6),
            "cpuMicrosPerRequest": round(run.cpu_micros, 3), "requestsPerSecond": round(run.per_second, 1),
            "busy": round(run.busy, 3), "p50Micros": run.p50_micros, "p99Micros": run.p99_micros,
            "peakResidentBytes": run.peak_bytes}

    def _median(self, title, shape):
        cpu = self.median(title, shape, lambda run: run.cpu_micros)
        ours = self.cpu(OURS, shape)
        return {
            "server": title, "shape": shape, "cpuMicrosPerRequest": cpu and round(cpu, 3),
            "ratio": round(cpu / ours, 2) if cpu and ours else None}


def _demand(what, value, holds):
    if value is None:
        return f"  not run  {what}"
    return f"  {'met     ' if holds(value) else 'NOT MET '} {what}: {value:.2f}"
