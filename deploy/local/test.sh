#!/usr/bin/env bash
# Prepares the machine and runs every test, or the long tier, on free ports and temporary data only. Called by
# ./mobo test.
set -euo pipefail
source deploy/local/lib.sh

swift_tests=yes
python_tests=yes
tier=everyday
case "${1:-}" in
  --swift-only) python_tests=no; shift ;;
  --python-only) swift_tests=no; shift ;;
  --long) tier=long; shift ;;
esac

prepare_build
install_packages "${TEST_PACKAGES[@]}"
prepare_mongod
prepare_python deploy/local/requirements-test.txt

if [ "$tier" = long ]; then
  # What takes millions of calls or judges memory means something on release builds only.
  say "building (release)"
  swift build -c release
  bin=$(release_bin)
else
  say "checking that the generated code is up to date"
  Proto/generate --check

  say "building the products and the tests (debug)"
  build=(swift build --explicit-target-dependency-import-check error)
  if [ "$swift_tests" = yes ]; then build+=(--build-tests); fi
  "${build[@]}"
  bin="$PWD/.build/debug"
fi

data=$(mktemp -d "${TMPDIR:-/tmp}/mobo-test-XXXXXX")
finish() {
  stop_process "$data/mongod.pid" "--port" 20
  rm -rf "$data"
}
trap finish EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

port=$(free_port)
say "starting a temporary mongod on port $port"
start_mongod "$port" "$data" --setParameter enableTestCommands=1
export MONGODB_URI="mongodb://127.0.0.1:$port/?replicaSet=rs0"

export MOBO_BIN_DIR="$bin" MOBO_MONGOD="$(mongod_path)"
pytest=("$MOBO_HOME/tools/python/bin/python" -m pytest -c Tests/pytest.ini -p no:cacheprovider)
if [ "$tier" = long ]; then
  say "the long tier: endurance and limits, with what was measured"
  "${pytest[@]}" -m long -s -v Tests "$@"
  exit
fi
if [ "$swift_tests" = yes ]; then
  say "Swift tests"
  if [ $# -gt 0 ]; then
    swift test --skip-build "$@"
  else
    # One after the other: the simulation fills all cores, and would starve whoever waits for an event meanwhile; the
    # data layer's suite counts attempts at the server, so it does not share it with the load of the others.
    swift test --skip-build --skip '^(SimulationTests|StoreContractTests|MongoTests)\.'
    for suite in SimulationTests StoreContractTests MongoTests; do
      swift test --skip-build --filter "^$suite\\."
    done
  fi
fi
if [ "$python_tests" = yes ]; then
  say "black-box tests with stock clients"
  [ "$swift_tests" = yes ] && set --
  "${pytest[@]}" Tests "$@"
fi
