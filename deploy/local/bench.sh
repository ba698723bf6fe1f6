#!/usr/bin/env bash
# Prepares and runs a benchmark. Called by ./mobo bench.
set -euo pipefail
source deploy/local/lib.sh

usage() {
  cat <<'TEXT'
usage: ./mobo bench NAME [options]

  rpc     CPU time, requests per second, latency and memory of a unary call on our RPC runtime, beside grpc C++,
          grpc-go, grpc-swift-2 and a floor in C; see ./mobo bench rpc --help
  bson    CPU time of building, reading and checking a document, beside libbson's own functions
  wallet  transfers per second of the wallet service, beside one plain transaction each and beside PostgreSQL, where
          Debian's packages are installed; see ./mobo bench wallet --help
TEXT
}

# CPU time per call of bench-echo and its peers.
rpc() {
  local script=Tests/Bench/rpc/bench_rpc.py argument needs
  for argument in "$@"; do
    case "$argument" in -h | --help) exec python3 "$script" --help ;; esac
  done
  needs=$(python3 "$script" --needs "$@") || exit
  prepare_build
  install_packages "${TEST_PACKAGES[@]}"
  prepare_python deploy/local/requirements-test.txt
  local peer names
  local -A packages=(
    [limit]="${BENCH_LIMIT_PACKAGES[*]}" [cpp]="${BENCH_CPP_PACKAGES[*]}" [go]="${BENCH_GO_PACKAGES[*]}")
  for peer in $needs; do
    # A peer that cannot be had is told by the benchmark; the others are measured all the same.
    read -ra names <<<"${packages[$peer]:-}"
    (install_packages "${names[@]}") || say "no peer $peer: its packages cannot be installed"
  done
  say "building bench-echo (release)"
  swift build -c release --product bench-echo
  say "measuring; Ctrl-C stops everything"
  exec "$MOBO_HOME/tools/python/bin/python" -B "$script" --bin "$(release_bin)" --build "$MOBO_HOME/bench" "$@"
}

# CPU time per document of bench-bson and of libbson.
bson() {
  local script=Tests/Bench/bson/bench_bson.py argument
  for argument in "$@"; do
    case "$argument" in -h | --help) exec python3 "$script" --bin . --build . --help ;; esac
  done
  prepare_build
  install_packages gcc libc6-dev
  say "building bench-bson (release)"
  swift build -c release --product bench-bson
  exec python3 -B "$script" --bin "$(release_bin)" --build "$MOBO_HOME/bench" "$@"
}

# Transfers per second of the wallet service and of what one would write without it.
wallet() {
  local script=Tests/Bench/wallet/bench_wallet.py argument
  for argument in "$@"; do
    case "$argument" in -h | --help) exec python3 "$script" --help ;; esac
  done
  prepare_build
  prepare_mongod
  prepare_python deploy/local/requirements-test.txt
  say "building wallet and its load (release)"
  swift build -c release --product wallet
  swift build -c release --product bench-wallet
  say "measuring; Ctrl-C stops everything"
  exec "$MOBO_HOME/tools/python/bin/python" -B "$script" --bin "$(release_bin)" --mongod "$(mongod_path)" \
    --wired-tiger-config "$(wired_tiger_config)" "$@"
}

case "${1:-}" in
  rpc | bson | wallet) "$@" ;;
  "" | help | -h | --help) usage ;;
  *) die 64 "unknown benchmark: $1 (see ./mobo bench)" ;;
esac
