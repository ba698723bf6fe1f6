#!/usr/bin/env bash
# Starts, stops and shows the local deployment: one mongod, five services, the gateway. Called by ./mobo.
set -euo pipefail
source deploy/local/lib.sh

RUN="$MOBO_HOME/run"
LOGS="$MOBO_HOME/logs"
CONFIG="$MOBO_HOME/config"

profile=base
smoke=yes
tls=no
port_base=

parse_up() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --profile) profile=${2:?--profile needs a name}; shift 2 ;;
      --no-smoke) smoke=no; shift ;;
      --tls) tls=yes; shift ;;
      --port-base) port_base=${2:?--port-base needs a number}; shift 2 ;;
      *) die 64 "unknown option for up: $1 (see ./mobo help)" ;;
    esac
  done
  case "$profile" in
    none) smoke=no ;;
    base) ;;
    *) die 64 "unknown profile: $profile (none or base)" ;;
  esac
  [[ -z "$port_base" || "$port_base" =~ ^[0-9]{1,5}$ ]] || die 64 "--port-base must be a number"
  [[ -z "$port_base" || "$port_base" -le 64000 ]] || die 64 "--port-base must be at most 64000"
}

# set_ports: fills grpc_port, admin_port (by service), http_port and mongod_port.
declare -A grpc_port admin_port
set_ports() {
  local services_from=50050 admin_from=51050
  http_port=8080 mongod_port=27017
  if [ -n "$port_base" ]; then
    services_from=$((port_base + 50)) admin_from=$((port_base + 1050))
    http_port=$((port_base + 80)) mongod_port=$((port_base + 17))
  fi
  local offset=0 name
  for name in gateway identity campaign order wallet audit; do
    grpc_port[$name]=$((services_from + offset))
    admin_port[$name]=$((admin_from + offset))
    offset=$((offset + 1))
  done
}

service_command() { echo "$(release_bin)/$1"; }
service_runs() { is_running "$RUN/$1.pid" "$(service_command "$1")"; }

# Refuses, before anything is touched, when a port that we need belongs to somebody else.
check_ports() {
  local wanted=() name taken
  for name in "${SERVICES[@]}"; do
    service_runs "$name" || wanted+=("${grpc_port[$name]}" "${admin_port[$name]}")
  done
  service_runs gateway || wanted+=("$http_port")
  [ -n "${MONGODB_URI:-}" ] || is_running "$MOBO_HOME/mongo/mongod.pid" mongod || wanted+=("$mongod_port")
  [ ${#wanted[@]} -gt 0 ] || return 0
  taken=$(python3 deploy/local/ports.py "${wanted[@]}")
  [ -z "$taken" ] && return 0
  while read -r port pid command; do
    printf 'mobo: port %s is taken by process %s (%s)\n' "$port" "$pid" "$command" >&2
  done <<<"$taken"
  die 69 "nothing was started; stop these, or move everything with --port-base N"
}

write_secrets() {
  mkdir -p "$MOBO_HOME/secrets"
  chmod 700 "$MOBO_HOME/secrets"
  if [ "$tls" = yes ]; then deploy/certificates/certificates.sh issue "$MOBO_HOME/secrets/certificates" >/dev/null; fi
  [ -s "$MOBO_HOME/secrets/service-keys.json" ] && return
  (umask 077 && python3 -c '
import json, secrets
names = ["identity", "campaign", "order", "wallet", "audit", "gateway", "operator"]
print(json.dumps({name: secrets.token_hex(32) for name in names}, indent=1))' >"$MOBO_HOME/secrets/service-keys.json")
}

# One CONFIG_FILE per process, so that each can also be started by hand.
write_config() {
  mkdir -p "$CONFIG"
  local name
  for name in "${SERVICES[@]}"; do
    python3 - "$name" >"$CONFIG/$name.json.new" <<PYTHON
import json, sys
name = sys.argv[1]
targets = {"identity": ${grpc_port[identity]}, "campaign": ${grpc_port[campaign]}, "order": ${grpc_port[order]},
           "wallet": ${grpc_port[wallet]}, "audit": ${grpc_port[audit]}}
ports = {"identity": ${admin_port[identity]}, "campaign": ${admin_port[campaign]}, "order": ${admin_port[order]},
         "wallet": ${admin_port[wallet]}, "audit": ${admin_port[audit]}, "gateway": ${admin_port[gateway]}}
config = {
    "GRPC_PORT": targets.get(name, ${grpc_port[gateway]}),
    "ADMIN_PORT": ports[name],
    "STATE_DIR": "$MOBO_HOME/" + name,
}
for target, port in targets.items():
    config[target.upper() + "_TARGET"] = f"127.0.0.1:{port}"
if "$tls" == "yes":
    folder = "$MOBO_HOME/secrets/certificates/" + name
    files = {"TLS_CERT_FILE": "tls.crt", "TLS_KEY_FILE": "tls.key", "TLS_CA_FILE": "ca.crt"}
    config |= {key: f"{folder}/{file}" for key, file in files.items()}
else:
    config["SERVICE_KEYS_FILE"] = "$MOBO_HOME/secrets/service-keys.json"
if name == "gateway":
    config["HTTP_PORT"] = $http_port
else:
    config["MONGODB_URI"] = "$uri"
    config["SEED_PROFILE"] = "$profile"
json.dump(config, sys.stdout, indent=1)
PYTHON
    mv "$CONFIG/$name.json.new" "$CONFIG/$name.json"
  done
}

start_service() {
  local name=$1 command
  command=$(service_command "$name")
  if service_runs "$name"; then
    if ! cmp -s "$CONFIG/$name.json" "$RUN/$name.json"; then
      echo "    $name has another configuration now: restarting it"
    elif [ "$(readlink "/proc/$(<"$RUN/$name.pid")/exe")" = "$(readlink -f "$command")" ]; then
      echo "    $name runs already (pid $(<"$RUN/$name.pid"))"
      return
    else
      echo "    $name was built anew: restarting it"
    fi
    stop_process "$RUN/$name.pid" "$command" 35
  fi
  cp "$CONFIG/$name.json" "$RUN/$name.json"  # What the process runs with, for a later `up`.
  CONFIG_FILE="$CONFIG/$name.json" setsid "$command" >>"$LOGS/$name.log" 2>&1 </dev/null &
  echo $! >"$RUN/$name.pid"
  disown
  echo "    $name starts (pid $(<"$RUN/$name.pid"), gRPC ${grpc_port[$name]}, admin ${admin_port[$name]})"
}

wait_ready() {
  local name=$1 attempt
  for attempt in $(seq 1 600); do
    curl -sf -o /dev/null --max-time 2 "http://127.0.0.1:${admin_port[$name]}/ready" && return
    service_runs "$name" || die 69 "$name ended at start; its log ends: $(tail -n 3 "$LOGS/$name.log")"
    sleep 0.1
  done
  die 69 "$name did not become ready within 60 s; see ./mobo logs $name"
}

write_endpoints() {
  {
    echo "{"
    local name
    for name in "${SERVICES[@]}"; do
      echo " \"$name\": {\"grpc\": \"127.0.0.1:${grpc_port[$name]}\", \"admin\": \"127.0.0.1:${admin_port[$name]}\"},"
    done
    echo " \"http\": \"127.0.0.1:$http_port\","
    echo " \"mongodb\": \"${uri//\"/}\""
    echo "}"
  } >"$MOBO_HOME/endpoints.json"
}

up() {
  parse_up "$@"
  set_ports
  prepare_build
  check_ports
  [ -n "${MONGODB_URI:-}" ] || prepare_mongod
  say "building (release); the first time takes some minutes"
  swift build -c release
  local name
  mkdir -p "$RUN" "$LOGS"
  write_secrets

  uri=${MONGODB_URI:-mongodb://127.0.0.1:$mongod_port/?replicaSet=rs0}
  if [ -n "${MONGODB_URI:-}" ]; then
    say "using the MongoDB deployment of MONGODB_URI"
  elif is_running "$MOBO_HOME/mongo/mongod.pid" mongod; then
    say "mongod runs already (pid $(<"$MOBO_HOME/mongo/mongod.pid"))"
  else
    say "starting mongod on port $mongod_port"
    start_mongod "$mongod_port" "$MOBO_HOME/mongo"
  fi

  write_config
  say "starting the services (they migrate and seed their own databases)"
  for name in "${SERVICES[@]}"; do start_service "$name"; done
  for name in "${SERVICES[@]}"; do wait_ready "$name"; done
  write_endpoints
  if [ "$smoke" = yes ]; then
    say "running the main flow through the gateway"
    python3 deploy/local/smoke.py "http://127.0.0.1:$http_port"
  fi
  say "MOBO is up: http://127.0.0.1:$http_port (JSON), gRPC ports ${grpc_port[gateway]} to ${grpc_port[audit]}"
  echo "    health: curl http://127.0.0.1:$http_port/health     logs: ./mobo logs wallet     stop: ./mobo down"
}

down() {
  local wipe=no name
  case "${1:-}" in
    --wipe) wipe=yes ;;
    "") ;;
    *) die 64 "unknown option for down: $1 (only --wipe)" ;;
  esac
  for name in gateway order campaign wallet identity audit; do
    if service_runs "$name"; then echo "    stopping $name"; fi
    stop_process "$RUN/$name.pid" "$(service_command "$name")" 35
  done
  if is_running "$MOBO_HOME/mongo/mongod.pid" mongod; then echo "    stopping mongod"; fi
  stop_process "$MOBO_HOME/mongo/mongod.pid" mongod 30
  rm -f "$MOBO_HOME/endpoints.json"
  if [ "$wipe" = yes ]; then
    rm -rf "$MOBO_HOME/mongo" "$LOGS" "$RUN" "$CONFIG" "$MOBO_HOME/secrets"
    for name in "${SERVICES[@]}"; do rm -rf "${MOBO_HOME:?}/$name"; done
    say "stopped, data removed"
  else
    say "stopped; the data stays in $MOBO_HOME (./mobo down --wipe removes it)"
  fi
}

status() {
  local name address health code=0
  if is_running "$MOBO_HOME/mongo/mongod.pid" mongod; then
    echo "mongod    running   pid $(<"$MOBO_HOME/mongo/mongod.pid")"
  else
    echo "mongod    stopped"
  fi
  for name in "${SERVICES[@]}"; do
    if ! service_runs "$name"; then
      printf '%-9s stopped\n' "$name"
      code=1
      continue
    fi
    address=$(python3 -c "import json; print(json.load(open('$CONFIG/$name.json'))['ADMIN_PORT'])")
    health=$(curl -s --max-time 3 "http://127.0.0.1:$address/health" || true)
    printf '%-9s running   pid %-7s admin %s  %s\n' "$name" "$(<"$RUN/$name.pid")" "$address" "${health:-no answer}"
  done
  return $code
}

logs() {
  local name=${1:-} file
  shift || true
  case " ${SERVICES[*]} " in
    *" $name "*) file="$LOGS/$name.log" ;;
    *) [ "$name" = mongod ] && file="$MOBO_HOME/mongo/mongod.log" || die 64 "logs of what? one of: ${SERVICES[*]} mongod" ;;
  esac
  [ -e "$file" ] || die 66 "no log yet: $name has not been started"
  case "${1:-}" in
    -f | --follow) exec tail -n 100 -F "$file" ;;
    "") exec cat "$file" ;;
    *) die 64 "unknown option for logs: $1 (only -f)" ;;
  esac
}

case "$1" in
  up | down | status | logs) "$@" ;;
esac
