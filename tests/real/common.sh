# Owns what the scripts of this folder share: the binary, a place for their files, packages, ports, waiting, and the end
# of what they started. Sourced by each script.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# TONNAGE: the binary under test. Without it the release build of this checkout is made.
if [ -z "${TONNAGE:-}" ]; then
    (cd "$here/../.." && cargo build --release --bin tonnage)
    TONNAGE=${CARGO_TARGET_DIR:-$here/../../target}/release/tonnage
fi
export TONNAGE
# TONNAGE_REAL: where virtual environments are kept between two runs. Results of a run go to a folder that is removed.
kept=${TONNAGE_REAL:-${XDG_CACHE_HOME:-$HOME/.cache}/tonnage-real}
mkdir -p "$kept"
place=$(mktemp -d)
started=()

end() {
    for id in "${started[@]}"; do kill "$id" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$place"
}
trap end EXIT

# venv NAME PACKAGE...: a virtual environment with these packages from PyPI, made once. Sets $venv.
venv() {
    venv=$kept/$1
    shift
    if [ ! -e "$venv/installed" ] || [ "$(cat "$venv/installed")" != "$*" ]; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet "$@"
        echo "$*" >"$venv/installed"
    fi
}

# debian PROGRAM PACKAGE: installs a Debian package unless its program is here.
debian() {
    command -v "$1" >/dev/null && return
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

# A free port of 127.0.0.1.
port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# begin NAME COMMAND...: starts a program in the background, its output in $place/NAME.log.
begin() {
    local name=$1
    shift
    "$@" >"$place/$name.log" 2>&1 &
    started+=($!)
}

# until_answers SECONDS URL: waits until the URL answers at all, or the program that was begun last has ended.
until_answers() {
    python3 - "$1" "$2" "${started[-1]:-0}" <<'PY'
import ssl, sys, time, urllib.error, urllib.request
seconds, url, program = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
anyone = ssl._create_unverified_context()
begun = time.monotonic()
while time.monotonic() - begun < seconds:
    try:
        urllib.request.urlopen(url, timeout=5, context=anyone)
        sys.exit()
    except urllib.error.HTTPError:
        sys.exit()
    except OSError:
        time.sleep(0.3)
    if program and open(f"/proc/{program}/stat").read().rsplit(") ", 1)[1][0] == "Z":
        sys.exit(f"the program that should answer at {url} has ended")
sys.exit(f"{url} does not answer within {seconds:.0f} s")
PY
}

# A simulated server in its own process, as the engine behind a gateway. Sets $engine, its address.
simulated() {
    local at
    at=127.0.0.1:$(port)
    begin simulate "$TONNAGE" simulate --listen "$at" "$@"
    engine=$at
    until_answers 10 "http://$at/v1/models"
}
