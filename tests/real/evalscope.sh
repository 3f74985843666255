#!/usr/bin/env bash
# evalscope's own reader of runs against the folders that `tonnage report --to evalscope` writes: a stream, and a service
# whose answers come at once and have no time per token. Only the modules of the reader are imported; evalscope as a
# whole wants some gigabytes.
. "$(dirname "$0")/common.sh"
venv evalscope pydantic jinja2
"$venv/bin/pip" install --quiet --no-deps evalscope
for sim in small mmc:servers=4,service=50ms; do
    out=$place/${sim%%:*}
    "$TONNAGE" sweep --sim "$sim" --rates 5,20 --duration 3s --out "$out" --quiet || true
    "$TONNAGE" report "$out" --to evalscope >/dev/null
    "$venv/bin/python" - "$out" <<'PY'
import json, logging, sys, sysconfig, types

# Packages without their `__init__`, which would import everything.
root = sysconfig.get_paths()["purelib"] + "/evalscope"
for name in ["", ".perf", ".perf.utils", ".perf.utils.report", ".utils", ".api", ".api.metric", ".metrics"]:
    package = types.ModuleType("evalscope" + name)
    package.__path__ = [root + name.replace(".", "/")]
    sys.modules["evalscope" + name] = package
logger = types.ModuleType("evalscope.utils.logger")
logger.get_logger = sys.modules["evalscope.utils"].get_logger = logging.getLogger
sys.modules["evalscope.utils.logger"] = logger
from evalscope.perf.utils.report.perf_data import RunLoader

out = sys.argv[1]
result = json.load(open(f"{out}/result.json"))
trials = {trial["load"]["rate_per_s"]: trial for trial in result["trials"]}
runs = RunLoader.load_all(out)
assert len(runs) == len(trials) == 2, [run.dir_name for run in runs]
for run in runs:
    trial = trials[run.rate]
    ttft = trial["metrics"]["ttft"]["completed_only"]
    pairs = [
        (run.summary.succeed_requests, trial["requests"]["completed"]),
        (run.summary.avg_ttft, ttft["mean"] * 1e3),
        ({row.percentile: row for row in run.percentiles.rows}["99%"].ttft, ttft["p99"] * 1e3),
    ]
    for theirs, ours in pairs:
        assert abs(theirs - ours) < 1e-3 * max(1, abs(ours)), (run.dir_name, theirs, ours)
    print(f"{run.dir_name}: {run.summary.succeed_requests} requests, TTFT mean {run.summary.avg_ttft} ms: equal")
PY
done
