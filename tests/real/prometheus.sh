#!/usr/bin/env bash
# The export of --prometheus, read by promtool and scraped by Prometheus (both of Debian) during a run and a search.
# What Prometheus stored is compared with result.json.
. "$(dirname "$0")/common.sh"
debian prometheus prometheus
debian promtool prometheus
simulated --sim small --fault status:503@5%
export_at=127.0.0.1:$(port)
prometheus_at=127.0.0.1:$(port)
cat >"$place/prometheus.yml" <<CONF
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: tonnage
    static_configs: [{ targets: ["$export_at"] }]
CONF
promtool check config "$place/prometheus.yml"
begin prometheus prometheus --config.file "$place/prometheus.yml" --storage.tsdb.path "$place/tsdb" \
    --web.listen-address "$prometheus_at" --log.level warn
until_answers 30 "http://$prometheus_at/-/ready"
status=0

# A port that another program has is refused before anything is sent.
if "$TONNAGE" run --target "http://$engine" --prometheus "$prometheus_at" --out "$place/refused" \
    2>"$place/refused.txt"; then
    echo "a busy port was accepted"
    status=1
fi
cat "$place/refused.txt"
test ! -e "$place/refused/result.json" || status=1

# The run lasts longer than the scrapes of its end need: its drain is part of the export.
begin run "$TONNAGE" run --target "http://$engine" --rate 40/s --duration 15s --slo 'p99 ttft<=500ms' \
    --prometheus "$export_at" --out "$place/run" --json
run=${started[-1]}
until_answers 20 "http://$export_at/metrics"
sleep 8
for accept in 'text/plain' 'application/openmetrics-text;version=1.0.0'; do
    python3 - "http://$export_at/metrics" "$accept" >"$place/figures.txt" <<'PY'
import sys, urllib.request
answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Accept": sys.argv[2]}), timeout=5)
print(answer.headers["Content-Type"], file=sys.stderr)
sys.stdout.write(answer.read().decode())
PY
    if [ "$accept" = text/plain ]; then
        promtool check metrics <"$place/figures.txt" && echo "promtool accepts it" || status=1
    else
        tail -1 "$place/figures.txt"
    fi
done
wait "$run" || true

# stored.py asks Prometheus for what it stored; a range covers the time after the last scrape.
cat >"$place/stored.py" <<'PY'
import json, sys, urllib.parse, urllib.request
at = sys.argv[1]
def ask(query):
    url = f"{at}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    answer = json.load(urllib.request.urlopen(url, timeout=10))
    return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]
def last(name):
    return sum(value for _, value in ask(f"last_over_time({name}[1m])"))
PY
PYTHONPATH=$place python3 - "http://$prometheus_at" "$place/run/result.json" <<'PY' || status=1
import json, sys
from stored import ask, last
trial = json.load(open(sys.argv[2]))["trials"][0]
totals = trial["run_totals"]
names = {metric["__name__"] for metric, _ in ask('last_over_time({job="tonnage", __name__=~"tonnage_.+"}[1m])')}
wanted = [f"tonnage_{name}_seconds_bucket" for name in
    ["time_to_first_token", "time_per_output_token", "inter_token_latency", "e2e_request_latency", "send_lag"]]
wanted += ["tonnage_requests_planned_total", "tonnage_requests_sent_total", "tonnage_requests_completed_total",
    "tonnage_requests_failed_total", "tonnage_requests_in_flight", "tonnage_load_info"]
wrong = []
print(f"{'':12}{'stored':>10}{'result':>10}   (the last scrape is up to a second before the end: 40 requests)")
for name in ["planned", "sent", "completed"]:
    stored, told = last(f"tonnage_requests_{name}_total"), totals[name]
    print(f"{name:12}{stored:10.0f}{told:10}")
    if not told - 90 <= stored <= told:
        wrong.append(name)
for metric, stored in ask("last_over_time(tonnage_requests_failed_total[1m])"):
    told = totals["failures"].get(metric["class"], 0)
    print(f"{metric['class']:12}{stored:10.0f}{told:10}")
    if not told - 10 <= stored <= told:
        wrong.append(metric["class"])
p50 = ask("histogram_quantile(0.5, sum by (le) (last_over_time(tonnage_time_to_first_token_seconds_bucket[1m])))")[0][1]
print(f"p50 ttft from the buckets {1000 * p50:.1f} ms, in the result "
      f"{1000 * trial['metrics']['ttft']['completed_only']['p50']:.1f} ms")
scrapes = sum(value for _, value in ask("sum_over_time(up[1m])"))
print("scrapes that succeeded:", scrapes)
missing = [name for name in wanted if name not in names]
print("names that are missing:", missing or "none", "; wrong:", wrong or "none")
sys.exit(bool(missing or wrong) or scrapes < 10)
PY

# A search: the load that runs is named.
begin search "$TONNAGE" search --target "http://$engine" --slo 'p90 e2e<=2s' --budget 20s --prometheus "$export_at" \
    --out "$place/search" --json
search=${started[-1]}
wait "$search" || true
PYTHONPATH=$place python3 - "http://$prometheus_at" <<'PY' || status=1
import sys
from stored import ask
loads = [metric for metric, _ in ask('count_over_time(tonnage_load_info{verb="search"}[1m])')]
print("loads of the search that were seen:", ", ".join(f"{load['number']} {load['load']}" for load in loads))
sys.exit(len(loads) < 3)
PY
exit $status
