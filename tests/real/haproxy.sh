#!/usr/bin/env bash
# tonnage through haproxy, which buffers short answers unless it is told not to: the tool must say so. Then with
# `option http-no-delay`, where it must not.
. "$(dirname "$0")/common.sh"
debian haproxy haproxy
status=0
version=$(haproxy -v | awk 'NR == 1 { print $3 }')
for delay in "" "option http-no-delay"; do
    simulated --sim 8b-h100
    at=127.0.0.1:$(port)
    cat >"$place/haproxy.cfg" <<CONF
global
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    $delay
frontend here
    bind $at
    default_backend engine
backend engine
    server one $engine
CONF
    begin haproxy haproxy -db -f "$place/haproxy.cfg"
    until_answers 10 "http://$at/v1/models"
    python3 "$here/loads.py" --name "haproxy $version ${delay:-as installed}" --target "http://$at" \
        --metrics "http://$engine/metrics" --rate 20 --json "$place/found.json" || status=1
    python3 - "$place" "$delay" <<'PY' || status=1
import json, sys
place, delay = sys.argv[1:]
found = json.load(open(f"{place}/found.json"))
said = ["buffered" in load["kinds"] for load in found]
print(f"\nthe preflight says that answers are buffered: {said}")
sys.exit(not (all(said) if not delay else not any(said)))
PY
done
exit $status
