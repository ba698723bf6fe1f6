"""Python modules for our protos, made at test time by the stock compiler, so that clients share nothing with us."""

import importlib
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
_folder = None


def compiled():
    """Compiles Proto/ once per test run and makes the modules importable."""
    global _folder
    if _folder is None:
        from grpc_tools import protoc

        _folder = tempfile.TemporaryDirectory(prefix="mobo-protos-")
        own = pathlib.Path(protoc.__file__).parent / "_proto"
        files = sorted(str(path.relative_to(ROOT / "Proto")) for path in (ROOT / "Proto").rglob("*.proto"))
        code = protoc.main(
            ["protoc", f"-I{ROOT / 'Proto'}", f"-I{own}", f"--python_out={_folder.name}",
             f"--grpc_python_out={_folder.name}", *files])
        assert code == 0, "protoc refused our protos"
        # `google` and `grpc` are packages of their own already; ours sit beside them.
        import google
        import grpc

        google.__path__.append(f"{_folder.name}/google")
        grpc.__path__.append(f"{_folder.name}/grpc")
        # grpcio gives the package of its reflection a second name, which would hide ours.
        if reflection := sys.modules.get("grpc.reflection"):
            reflection.__path__.append(f"{_folder.name}/grpc/reflection")
        sys.path.insert(0, _folder.name)
    return _folder.name


def load(name):
    """A generated module, for example load("mobo.wallet.v1.wallet_service_pb2")."""
    compiled()
    return importlib.import_module(name)
