#!/usr/bin/env bash
# A batch of 12 cells, killed (SIGKILL, the whole process group) in cell 7 and resumed, has the index of one that was not
# killed: the same cells with the same plans, in the same columns. Cells that had ended are not run again, and no process
# of the killed batch goes on. About 40 s, against the embedded simulated server.
. "$(dirname "$0")/common.sh"
cd "$place"
cat >m.yaml <<'YAML'
base: {sim: 'delay:ttft=10ms,itl=1ms', requests: 30, slo: [p50 ttft<=2s], salt: "off", seed: 5}
lengths: [[32, 8], [64, 8], [128, 16]]
loads: [20/s, 40/s]
processes: [poisson, gamma:2]
YAML
# 4: a cell has too few requests for its objective, which is a result as well.
batch() {
    local code=0
    "$TONNAGE" batch m.yaml "$@" || code=$?
    case $code in 0 | 4) echo "batch $*: exit code $code" ;; *) echo "batch $*: exit code $code" && exit 1 ;; esac
}
batch --dry-run
batch --out whole --quiet

setsid "$TONNAGE" batch m.yaml --out cut --quiet &
batch=$!
started+=("$batch")
state() { python3 -c '
import json, sys
cells = json.load(open(f"{sys.argv[1]}/batch.json"))["batches"][-1]["cells"]
print(sum(cell["state"] == "begun" for cell in cells), sum(cell["state"] not in ("begun", "waiting") for cell in cells))' cut 2>/dev/null || true; }
until [ "$(state)" = "1 6" ]; do sleep 0.02; done
sleep 0.2
kill -KILL -- "-$batch"
wait "$batch" || true
sleep 0.1
echo "killed with cells begun and ended: $(state)"
if pgrep -f -- "--config /dev/stdin --out cut/" >/dev/null; then
    echo "a cell outlives its batch" && exit 1
fi
find cut -name result.json -printf '%T@ %p\n' | sort -k2 >before
batch --out cut --resume
find cut -name result.json -printf '%T@ %p\n' | sort -k2 >after

python3 - <<'PY'
import csv, html, json, re, sys

def read(name):
    cells = json.load(open(f"{name}/batch.json"))["batches"]
    assert len(cells) == 1, f"{name}: {len(cells)} batches"
    cells = cells[0]["cells"]
    rows = list(csv.DictReader(open(f"{name}/aggregate.csv")))
    prints = {cell["name"]: json.load(open(f"{name}/{cell['folder']}/result.json"))["plan_fingerprint"] for cell in cells}
    page = open(f"{name}/index.html").read()
    # What the page holds apart from times and measured values.
    shown = [re.sub(r"\d{8}T\d{6}\.\d{3}Z", "TIME", link) for link in re.findall(r'href="([^"]*)"', page)]
    heads = re.findall(r"<th scope=\"col\">(.*?)</th>", page)
    maps = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert all(cell["state"]["ended"]["exit_code"] in (0, 4) for cell in cells), cells
    assert page.count("http://") == page.count("http://www.w3.org"), "the page asks for something"
    return [cell["name"] for cell in cells], list(rows[0]), [row["cell_name"] for row in rows], prints, shown, heads, maps

whole, cut = read("whole"), read("cut")
for what, one, other in zip(["cells", "columns", "rows", "plan fingerprints", "links", "headings", "maps"], whole, cut):
    print(f"{what}: {len(one)}, {'the same' if one == other else 'DIFFERENT'}")
    if one != other:
        sys.exit(f"{one}\n{other}")
before = dict(reversed(line.split()) for line in open("before"))
after = dict(reversed(line.split()) for line in open("after"))
kept = [path for path in before if before[path] == after.get(path)]
print(f"results before the kill: {len(before)}, untouched by --resume: {len(kept)}, in the end: {len(after)}")
sys.exit(0 if len(kept) == 6 and len(after) == 12 else "a finished cell was repeated")
PY
batch --out cut --resume
