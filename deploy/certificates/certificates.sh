#!/usr/bin/env bash
# Makes and renews the certificates by which the services know each other. Needs openssl and nothing else.
set -euo pipefail
umask 077

SERVICES=(identity campaign order wallet audit gateway operator)

usage() {
  cat <<'TEXT'
usage: deploy/certificates/certificates.sh <command> FOLDER [options]

  issue    an authority, if there is none, and a certificate for every service. Run it again at any time, such as from
           cron: what is good stays, what ends soon or does not fit the options is made anew
  rotate   a new authority. Until `forget`, both are trusted; certificates of the old one stay in use. Let every process
           read its new ca.crt, then `issue` makes all certificates anew
  forget   ends the trust in the former authority, once every certificate comes from the new one
  show     what there is, and until when

options of issue:
  --service NAME        only this service; may be repeated (default: all six and operator)
  --dns NAME            a further host name in the certificates; may be repeated
  --days N              how long a certificate is valid (default 90)
  --renew-before N      days before its end from which a certificate is made anew (default 30)
  --authority-days N    how long an authority is valid (default 3650); also of rotate
  --trust-domain NAME   first part of the SPIFFE ids (default mobo; TLS_TRUST_DOMAIN of the services)

FOLDER/<service>/ gets tls.crt (TLS_CERT_FILE), tls.key (TLS_KEY_FILE, mode 600) and ca.crt (TLS_CA_FILE): give each
process its own three. FOLDER/authority/ca.key signs for all: keep it where no service runs. Running processes take new
files within TLS_RELOAD_INTERVAL_MS, or at once on SIGHUP.
TEXT
}

die() {
  printf 'certificates: %s\n' "$2" >&2
  exit "$1"
}

is_number() { [[ $1 =~ ^[1-9][0-9]{0,4}$ ]]; }
is_name() { [[ $1 =~ ^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$ ]]; }

parse() {
  days=90 renew_before=30 authority_days=3650 trust_domain=mobo
  services=() dns=()
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die 64 "$1 needs a value (see --help)"
    case "$1" in
      --service) services+=("$2") ;;
      --dns) dns+=("$2") ;;
      --days) days=$2 ;;
      --renew-before) renew_before=$2 ;;
      --authority-days) authority_days=$2 ;;
      --trust-domain) trust_domain=$2 ;;
      *) die 64 "unknown option: $1 (see --help)" ;;
    esac
    shift 2
  done
  [ ${#services[@]} -gt 0 ] || services=("${SERVICES[@]}")
  local value
  for value in "$days" "$renew_before" "$authority_days"; do
    is_number "$value" || die 64 "not a number of days: $value"
  done
  for value in "$trust_domain" "${services[@]}" ${dns[@]+"${dns[@]}"}; do
    is_name "$value" || die 64 "not a name: $value"
  done
  [ "$renew_before" -lt "$days" ] || die 64 "--renew-before must be less than --days"
}

# new_key FILE
new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

new_authority() {
  mkdir -p "$authority"
  new_key "$authority/ca.key.new"
  # A name of its own, so that a chain never seems to lead to the former authority.
  openssl req -x509 -new -key "$authority/ca.key.new" -sha256 -days "$authority_days" \
    -subj "/O=MOBO/CN=MOBO authority $(openssl rand -hex 4)" \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign' \
    -out "$authority/ca.crt.new"
  [ ! -s "$authority/ca.crt" ] || cp "$authority/ca.crt" "$authority/former.crt"
  mv "$authority/ca.key.new" "$authority/ca.key"
  mv "$authority/ca.crt.new" "$authority/ca.crt"
  echo "authority: new, valid for $authority_days days"
}

# Gives every service the authorities that are trusted now.
distribute() {
  local bundle="$authority/bundle.new" folder
  cat "$authority/ca.crt" >"$bundle"
  [ ! -s "$authority/former.crt" ] || cat "$authority/former.crt" >>"$bundle"
  for folder in "$root"/*/; do
    [ "$folder" != "$authority/" ] || continue
    cmp -s "$bundle" "$folder/ca.crt" && continue
    cp "$bundle" "$folder/ca.crt.new"
    mv "$folder/ca.crt.new" "$folder/ca.crt"
  done
  rm "$bundle"
}

# names SERVICE: its alternative names, as openssl takes and shows them.
names() {
  local list="URI:spiffe://$trust_domain/$1, DNS:$1, DNS:localhost" name
  for name in ${dns[@]+"${dns[@]}"}; do list+=", DNS:$name"; done
  echo "$list"
}

# reason_to_renew SERVICE: why its certificate must be made; nothing when it is good.
reason_to_renew() {
  local folder="$root/$1"
  [ -s "$folder/tls.crt" ] && [ -s "$folder/tls.key" ] || { echo "new"; return; }
  if [ "$(openssl x509 -in "$folder/tls.crt" -noout -pubkey 2>/dev/null)" != \
    "$(openssl pkey -in "$folder/tls.key" -pubout 2>/dev/null)" ]; then
    echo "renewed: certificate and key did not fit"
  elif ! openssl x509 -in "$folder/tls.crt" -noout -checkend $((renew_before * 86400)) >/dev/null; then
    echo "renewed: it ended within $renew_before days"
  elif ! openssl verify -CAfile "$authority/ca.crt" "$folder/tls.crt" >/dev/null 2>&1; then
    echo "renewed: it was of another authority"
  elif [ "$(openssl x509 -in "$folder/tls.crt" -noout -ext subjectAltName | tail -n +2 | sed 's/^ *//')" != \
    "$(names "$1")" ]; then
    echo "renewed: its names were others"
  fi
}

new_certificate() {
  local service=$1 folder="$root/$1"
  mkdir -p "$folder"
  new_key "$folder/tls.key.new"
  openssl req -new -key "$folder/tls.key.new" -subj "/O=MOBO/CN=$service" -out "$folder/tls.csr"
  openssl x509 -req -in "$folder/tls.csr" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -sha256 -days "$days" \
    -set_serial "0x$(openssl rand -hex 16)" -out "$folder/tls.crt.new" -extfile <(
      printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' \
        'extendedKeyUsage=serverAuth,clientAuth' "subjectAltName=$(names "$service")"
    ) 2>/dev/null
  rm "$folder/tls.csr"
  # A process that looks between the two sees that they do not fit and keeps what it has until it looks again.
  mv "$folder/tls.key.new" "$folder/tls.key"
  mv "$folder/tls.crt.new" "$folder/tls.crt"
}

issue() {
  local service reason
  mkdir -p "$root"
  [ -s "$authority/ca.key" ] && [ -s "$authority/ca.crt" ] || new_authority
  openssl x509 -in "$authority/ca.crt" -noout -checkend $((days * 86400)) >/dev/null ||
    echo "authority: ends within $days days; time to rotate" >&2
  for service in "${services[@]}"; do
    reason=$(reason_to_renew "$service")
    if [ -n "$reason" ]; then new_certificate "$service"; fi
    echo "$service: ${reason:-good}"
  done
  distribute
}

rotate() {
  [ -s "$authority/ca.crt" ] || die 66 "there is no authority in $root yet: issue makes one"
  [ ! -e "$authority/former.crt" ] || die 65 "the last change of authorities is not over: forget ends it"
  new_authority
  distribute
}

forget() {
  [ -e "$authority/former.crt" ] || die 66 "there is no former authority in $root"
  local folder
  for folder in "$root"/*/; do
    [ -s "$folder/tls.crt" ] || continue
    openssl verify -CAfile "$authority/ca.crt" "$folder/tls.crt" >/dev/null 2>&1 ||
      die 65 "$(basename "$folder") still has a certificate of the former authority: issue makes it anew"
  done
  rm "$authority/former.crt"
  distribute
  echo "authority: the former one is trusted no more"
}

show() {
  local file
  for file in "$root"/authority/*.crt "$root"/*/tls.crt; do
    [ -s "$file" ] || continue
    printf '%-24s until %s  %s\n' "${file#"$root"/}" "$(openssl x509 -in "$file" -noout -enddate | cut -d= -f2)" \
      "$(openssl x509 -in "$file" -noout -ext subjectAltName 2>/dev/null | tail -n +2 | sed 's/^ *//')"
  done
}

command=${1:-help}
case "$command" in
  issue | rotate | forget | show) ;;
  help | -h | --help) usage; exit 0 ;;
  *) die 64 "unknown command: $command (see --help)" ;;
esac
[ $# -ge 2 ] && [[ $2 != -* ]] || die 64 "$command needs a folder (see --help)"
command -v openssl >/dev/null || die 69 "openssl is not on PATH"
root=${2%/} authority="${2%/}/authority"
parse "${@:3}"
"$command"
