#!/usr/bin/env bash
# Parquet as pyarrow writes and reads it. Read by tonnage: flat columns, nested conversations, three compressions,
# dictionaries, several row groups; rows and lengths are compared with the same rows as JSON lines. Written by tonnage:
# the requests of a result. Builds this checkout with the feature `parquet`, or takes $TONNAGE, built with it.
set -euo pipefail
cd "$(dirname "$0")/../.."
place=${TONNAGE_REAL:-$(mktemp -d)}
if [ -z "${TONNAGE:-}" ]; then
    cargo build --locked --release --features parquet
    TONNAGE=${CARGO_TARGET_DIR:-target}/release/tonnage
fi
[ -d "$place/venv-parquet" ] || python3 -m venv "$place/venv-parquet"
"$place/venv-parquet/bin/pip" install --quiet pyarrow
"$place/venv-parquet/bin/python" - "$place" "$TONNAGE" <<'PY'
import json, subprocess, sys
import pyarrow as pa, pyarrow.parquet as pq

place, tonnage = sys.argv[1:]
flat = [{"question": f"Frage {n}: wer, was, wo? 谁", "length": None if n % 7 == 0 else n + 1, "label": n % 2 == 0}
        for n in range(500)]
chats = [{"id": str(n), "messages": [{"role": "user", "content": f"Q {n}"},
                                     {"role": "assistant", "content": "a " * (n % 5 + 1)},
                                     {"role": "user", "content": "more"}]} for n in range(300)]
shared = [{"conversations": [{"from": "human", "value": f"Hi {n}"}, {"from": "gpt", "value": "yes"}]}
          for n in range(200)]
failed = 0
for name, rows, options in [
    ("flat", flat, ["--dataset-columns", "prompt=question,output=length"]),
    ("chats", chats, ["--sessions"]),
    ("shared", shared, []),
]:
    lines = f"{place}/{name}.jsonl"
    with open(lines, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    def planned(path):
        words = [tonnage, "plan", "--requests", "150", "--seed", "1", "--dataset", path, "--json", *options]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            return done.stderr
        plan = json.loads(done.stdout)
        return plan["fingerprint"], plan["data"]["rows"], plan["data"]["digest"]
    wanted = planned(lines)
    for compression in ["none", "snappy", "zstd"]:
        path = f"{place}/{name}-{compression}.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path, compression=compression, row_group_size=64)
        seen = planned(path)
        same = seen == wanted
        failed += not same
        print(f"{name:8} {compression:8} {'same rows as JSON lines' if same else f'{seen} instead of {wanted}'}")
# The requests of a result, written by tonnage and read by pyarrow.
result = f"{place}/requests-of-a-run"
load = ["run", "--rate", "100", "--requests", "200", "--out", result, "--force", "--quiet"]
subprocess.run([tonnage, *load], check=True, stdout=subprocess.DEVNULL)
subprocess.run([tonnage, "report", result, "--to", "parquet"], check=True)
rows = pq.read_table(f"{result}/requests.parquet").to_pylist()
trial = json.load(open(f"{result}/result.json"))["trials"][0]
inside = [row["e2e_s"] for row in rows if row["in_window"] and row["outcome"] == "completed"]
mean = trial["metrics"]["e2e"]["scheduled"]["mean"]
same = len(rows) == trial["run_totals"]["planned"] and abs(sum(inside) / len(inside) - mean) < 1e-9
failed += not same
verdict = "as in result.json" if same else f"result.json has {mean}"
print(f"requests {len(rows)} rows, mean e2e {sum(inside) / len(inside):.6f} s: {verdict}")
sys.exit(1 if failed else 0)
PY
