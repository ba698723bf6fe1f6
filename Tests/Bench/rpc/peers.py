"""The peers: how each is built from its source beside this file, and how it is started.

Outputs lie in one folder, each with the digest of what it was made from, so that a second run builds nothing.
"""

import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
GO_SOURCES = pathlib.Path("/usr/share/gocode")


class Missing(Exception):
    """A peer cannot be measured on this machine; says why."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """`name` is the column of ratios it belongs to; several variants of a name compete, the cheapest counts."""

    name: str
    variant: str
    source: str
    arguments: tuple = ()

    @property
    def title(self):
        return f"{self.name} ({self.variant})" if self.variant else self.name


PEERS = (
    Peer("go", "", "go"),
    Peer("cpp", "async", "cpp", ("async",)),
    Peer("cpp", "callback", "cpp", ("callback",)),
    Peer("swift", "", "swift"),
    Peer("limit", "", "limit"),
)

DESCRIPTIONS = {
    "ours": "bench-echo, release build, all interceptors",
    "go": "grpc-go of Debian",
    "cpp": "grpc C++ of Debian; the cheaper of its two APIs counts",
    "swift": "grpc-swift-2 with its NIO transport",
    "limit": "C on epoll, nghttp2 and protobuf-c with nothing in between: the floor, not a peer",
}


def build(source, folder, say):
    """The executable of a source folder, built if it is not there yet. Raises Missing."""
    executable = folder / "bin" / source
    stamp = folder / "bin" / f"{source}.digest"
    digest = _digest(source)
    if executable.exists() and stamp.exists() and stamp.read_text() == digest:
        return executable
    work = folder / "work" / source
    if source != "swift":  # Whose dependencies take minutes.
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    executable.parent.mkdir(parents=True, exist_ok=True)
    say(f"building the peer {source}")
    started = time.monotonic()
    _BUILDERS[source](work, executable)
    stamp.write_text(digest)
    say(f"built the peer {source} in {time.monotonic() - started:.0f} s")
    return executable


def _digest(source):
    digest = hashlib.sha256()
    for path in [HERE / "echo.proto", HERE / "peers.py", *sorted((HERE / source).rglob("*"))]:
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _need(*tools):
    absent = [tool for tool in tools if not shutil.which(tool)]
    if absent:
        raise Missing(f"{', '.join(absent)} not installed")


def _run(command, work, environment=None):
    log = work / "build.log"
    with open(log, "a", encoding="utf-8") as output:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=work, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code != 0:
        tail = "; ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
        raise Missing(f"{pathlib.Path(command[0]).name} ended with {code}: {tail} (all of it: {log})")


def _flags(*packages):
    answer = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True)
    if answer.returncode != 0:
        raise Missing(answer.stderr.strip().splitlines()[0])
    return answer.stdout.split()


def _build_limit(work, executable):
    _need("protoc-c", "pkg-config")
    compiler = shutil.which("cc") or shutil.which("clang")  # The latter comes with Swift.
    if not compiler:
        raise Missing("no C compiler installed")
    _run(["protoc-c", "-I", HERE, "--c_out=.", "echo.proto"], work)
    _run([compiler, "-std=gnu11", "-O2", "-DNDEBUG", "-I", ".", HERE / "limit/limit.c", "echo.pb-c.c", "-o", executable,
          *_flags("libnghttp2", "libprotobuf-c")], work)


def _build_cpp(work, executable):
    _need("c++", "protoc", "grpc_cpp_plugin", "pkg-config")
    plugin = f"--plugin=protoc-gen-grpc={shutil.which('grpc_cpp_plugin')}"
    _run(["protoc", "-I", HERE, "--cpp_out=.", "--grpc_out=.", plugin, "echo.proto"], work)
    _run(["c++", "-std=c++17", "-O2", "-DNDEBUG", "-I", ".", HERE / "cpp/server.cc", "echo.pb.cc", "echo.grpc.pb.cc",
          "-o", executable, *_flags("grpc++", "protobuf")], work)


def _build_go(work, executable):
    """GOPATH mode with the sources that Debian ships, because no module of that age is fetched for a benchmark."""
    _need("go", "protoc", "protoc-gen-go")
    if not (GO_SOURCES / "src/google.golang.org/grpc").is_dir():
        raise Missing("golang-google-grpc-dev not installed")
    package = work / "src/benchv1"
    package.mkdir(parents=True)
    options = "plugins=grpc,import_path=benchv1,Mecho.proto=benchv1"
    _run(["protoc", "-I", HERE, f"--go_out={options}:{package}", "echo.proto"], work)
    _run(["go", "build", "-o", executable, HERE / "go/main.go"], work,
         {"GO111MODULE": "off", "GOPATH": f"{work}:{GO_SOURCES}", "GOCACHE": str(work.parent / "go-cache"),
          "GOFLAGS": "", "GOTOOLCHAIN": "local"})


def _build_swift(work, executable):
    _need("swift", "protoc")
    shutil.copytree(HERE / "swift", work, dirs_exist_ok=True)
    compiler = ["swift", "build", "-c", "release"]
    _run([*compiler, "--product", "protoc-gen-swift"], work)
    plugin = work / ".build/release/protoc-gen-swift"
    _run(["protoc", "-I", HERE, f"--plugin={plugin}", f"--swift_out={work}/Sources/echo-server", "echo.proto"], work)
    _run([*compiler, "--product", "echo-server"], work)
    shutil.copy2(work / ".build/release/echo-server", executable)


_BUILDERS = {"limit": _build_limit, "cpp": _build_cpp, "go": _build_go, "swift": _build_swift}
