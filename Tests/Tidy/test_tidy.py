"""The repository keeps its own rules, and each rule can fail."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

spec = importlib.util.spec_from_file_location("tidy", pathlib.Path(__file__).with_name("tidy.py"))
tidy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tidy)

SWIFT_RULES = (
    tidy.long_files, tidy.long_lines, tidy.unfinished, tidy.forbidden_imports, tidy.long_functions,
    tidy.secrets_of_machines)


@pytest.mark.parametrize("rule", SWIFT_RULES, ids=lambda rule: rule.__name__)
def test_swift_files_keep_the_rule(rule):
    found = []
    for path in tidy.tracked(ROOT, ".swift"):
        if not tidy.is_generated(path):
            found += rule(path, (ROOT / path).read_text())
    assert not found, "\n".join(found)


def test_links_of_documents_resolve():
    found = []
    for path in tidy.tracked(ROOT, ".md"):
        found += tidy.broken_links(path, (ROOT / path).read_text(), ROOT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("rule, path, bad, good", [
    (tidy.long_files, "a.swift", "x\n" * 501, "x\n" * 500),
    (tidy.long_lines, "a.swift", "x" * 121, "x" * 120),
    (tidy.unfinished, "a.swift", "// TO" "DO later", "// done"),
    (tidy.forbidden_imports, "Services/Wallet/API/Deposit.swift", "import CMongoc", "import Kernel"),
    (tidy.forbidden_imports, "Shared/Access/Keys.swift", "import Foundation", "import FoundationEssentials"),
    (tidy.forbidden_imports, "Services/Wallet/Domain/Wallet.swift", "import Mongo", "import Kernel"),
    (tidy.forbidden_imports, "Shared/RPC/Server.swift", "internal import WalletDomain", "import Kernel"),
    (tidy.long_functions, "a.swift", "func a() {\n" + "x\n" * 69 + "}", "func a() {\n" + "x\n" * 68 + "}"),
    (tidy.secrets_of_machines, "a.swift", "/ho" "me/somebody", "/homepage"),
])
def test_each_rule_can_fail(rule, path, bad, good):
    assert rule(pathlib.Path(path), bad)
    assert not rule(pathlib.Path(path), good)


def test_the_link_rule_can_fail():
    assert tidy.broken_links(pathlib.Path("README.md"), "[x](no/such/file.md)", ROOT)
    assert not tidy.broken_links(pathlib.Path("README.md"), "[x](LICENSE) [y](https://example.com)", ROOT)


def test_generated_code_says_so():
    for path in tidy.tracked(ROOT, ".swift"):
        if tidy.is_generated(path):
            assert "generated" in (ROOT / path).read_text()[:300].lower(), path
