"""Owns the four loads that every server of this folder gets, and the table of what they found.

Sends a run, a short sweep, a short search and the replay of a light minute. Prints one row for each: how it ended, the
requests, what the preflight showed, and the tokens by the server's answers beside those by the engine's own metrics.
Ends with 1 if a load ended otherwise than it may, or if the counts differ.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

# Names of the engine's counters of prompt and generated tokens. llama.cpp counts tokens from its cache apart.
PROMPT = ("vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total", "llamacpp:prompt_tokens_cached_total")
GENERATED = ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total")


def counters(url):
    """Prompt and generated tokens by the engine's metrics; None without metrics."""
    if not url:
        return None
    text = urllib.request.urlopen(url, timeout=30).read().decode()
    value = lambda names: sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if any(re.match(re.escape(name) + r"[ {]", line) for name in names)
    )
    return int(value(PROMPT)), int(value(GENERATED))


def settled(url):
    """The counters once they no longer change."""
    import time

    last = counters(url)
    for _ in range(20):
        time.sleep(0.5)
        now = counters(url)
        if now == last:
            return now
        last = now
    return last


def records(folder):
    for path in sorted(pathlib.Path(folder).rglob("records.jsonl")):
        for line in path.read_text().splitlines()[1:]:
            yield json.loads(line)


def words(args, name, folder):
    """The command line of one load."""
    light = ["--input-tokens", args.input, "--output-tokens", args.output]
    slow = args.rate
    own = {
        "run": ["run", "--rate", f"{slow}/s", "--duration", "10s"] + light,
        "sweep": ["sweep", "--rates", f"{slow / 2},{slow}", "--duration", "6s", "--warmup", "1s"] + light,
        "search": ["search", "--slo", args.slo, "--budget", "40s", "--max-rate", f"{args.most or 4 * slow}/s"]
        + ["--no-certificate", "--precision", "30%"] + light,
        "replay": ["replay", str(folder / "minute.csv")],
    }[name]
    return [args.tonnage] + own + ["--target", args.target, "--out", str(folder / name), "--drain", "60s"] + args.more


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--tonnage", default=os.environ.get("TONNAGE", "tonnage"))
    parser.add_argument("--metrics", default="", help="URL of the engine's metrics")
    parser.add_argument("--rate", type=float, default=4.0, help="requests per second of the run")
    parser.add_argument("--most", type=float, default=0.0, help="highest rate of the search; 0: four times --rate")
    parser.add_argument("--input", default="32")
    parser.add_argument("--output", default="16")
    parser.add_argument("--slo", default="p90 ttft<=2s")
    parser.add_argument("--loads", default="run,sweep,search,replay")
    parser.add_argument("--apart", type=int, default=0, help="tokens of one request that the engine counts otherwise")
    parser.add_argument("--json", default="", help="where to write what was found")
    parser.add_argument("more", nargs="*", help="further options, after --")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    rows = "".join(f"{second + 0.1 * (second % 7)},{args.input},{args.output}\n" for second in range(60))
    (folder / "minute.csv").write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n" + rows)
    failed, found = False, []
    print(f"\n{args.name} at {args.target}")
    print("| load | exit | planned | completed | failed | preflight | tokens in, out (answers) | (engine) | same |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in args.loads.split(","):
        before = settled(args.metrics)
        done = subprocess.run(words(args, name, folder), capture_output=True, text=True)
        after = settled(args.metrics)
        path = folder / name / "result.json"
        if not path.exists():
            print(f"| {name} | {done.returncode} | {done.stderr.strip()[-500:]} |")
            failed = True
            continue
        result = json.loads(path.read_text())
        rows = list(records(folder / name))
        preflight = result.get("preflight") or {"requests": 0, "answers": []}
        kinds = [kind["kind"] for answer in preflight["answers"] for kind in answer["finding_kinds"]]
        completed = sum(row["outcome"] == "completed" for row in rows)
        counted = [
            (row.get("input_tokens") or 0, row.get("output_tokens") or 0)
            for row in rows
        ] + [(preflight.get("input_tokens", 0), preflight.get("output_tokens", 0))]
        ours = sum(pair[0] for pair in counted), sum(pair[1] for pair in counted)
        engine = (after[0] - before[0], after[1] - before[1]) if before else None
        slack = args.apart * len(counted)
        same = engine is None or all(abs(one - two) <= slack for one, two in zip(ours, engine))
        # A short search may end without an answer that is certain.
        well = done.returncode in ((0, 1, 4) if name == "search" else (0,))
        failed |= not (well and same and len(rows) > 0)
        mark = "—" if engine is None else ("yes" if same else "NO")
        print(
            f"| {name} | {done.returncode} | {len(rows)} | {completed} | {len(rows) - completed} |"
            f" {', '.join(kinds) or 'as asked'} | {ours[0]}, {ours[1]} |"
            f" {'—' if engine is None else f'{engine[0]}, {engine[1]}'} | {mark} |",
            flush=True,
        )
        sent = sum("sent_s" in row for row in rows)
        found.append({"load": name, "sent": sent, "preflight": preflight["requests"], "kinds": kinds,
                      "retried": sum(bool(row.get("retried")) for row in rows)})
        if not well:
            print(done.stderr.strip()[-800:], file=sys.stderr)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(found))
    sys.exit(failed)


main()
