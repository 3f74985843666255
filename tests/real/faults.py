"""Every endpoint against every fault of the simulated server: class, exit code and request accounting.

Prints a line for each fault, and exits with 1 if one of them is not as expected.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

TONNAGE = os.environ["TONNAGE"]
STREAMED = ["chat", "completions", "responses", "messages", "ollama-chat", "ollama-generate", "raw"]
WHOLE = ["embeddings", "rerank", "score", "tei-embed"]
REQUESTS = 8
# Fault → how a request that is streamed, and one that is not, must end: `completed`, `timed_out`, or the kind of
# failure. Two words: either. A refused connection is seen while it is opened, or as a reset just after.
FAULTS = {
    "status:503": ("status_503", "status_503"),
    "status:429": ("status_429", "status_429"),
    "refuse": ("connect reset", "connect reset"),
    "cut:3": ("truncated", "reset"),
    "drop:3": ("reset", "reset"),
    "reset:3": ("reset", "reset"),
    "stall:0s,60s": ("timed_out", "timed_out"),
    "hang": ("timed_out", "timed_out"),
    "never-ends": ("timed_out", "timed_out"),
    "error:3": ("stream_error", "stream_error"),
    "malformed:3": ("malformed", "malformed"),
    "garbage": ("malformed", "malformed"),
    "split": ("completed", "completed"),
    "slow-first-byte:50ms": ("completed", "completed"),
    "coalesce:4": ("completed", "completed"),
    "reasoning:3": ("completed", "completed"),
    "no-role": ("completed", "completed"),
    "no-usage": ("completed", "completed"),
    "no-done": ("completed", "completed"),
    "empty": ("empty", "empty"),
}


def ended(url: str, endpoint: str, place: str) -> tuple[str, int, bool]:
    """How the requests of one load ended, its exit code, and whether every request is accounted for."""
    words = [TONNAGE, "run", "--target", url, "--endpoint", endpoint, "--model", "tonnage-sim", "--no-preflight"]
    words += ["--requests", str(REQUESTS), "--rate", "40/s", "--process", "even", "--timeout", "1s"]
    words += ["--quiet", "--json"]
    words += ["--out", os.path.join(place, endpoint)]
    if endpoint in STREAMED:
        words += ["--output-tokens", "8"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if not done.stdout:
        return "no result", done.returncode, True
    totals = json.loads(done.stdout)["trials"][0]["run_totals"]
    kinds = {kind: totals[kind] for kind in ("completed", "timed_out") if totals[kind]} | totals["failures"]
    ends = "completed failed timed_out unresolved shed cancelled skipped abandoned"
    settled = sum(totals[key] for key in ends.split())
    whole = totals["planned"] == REQUESTS == settled == sum(kinds.values())
    return " ".join(sorted(kinds)), done.returncode, whole


def against(fault: str) -> bool:
    """Runs every endpoint against a server with this fault, prints its line, and says whether all is as expected."""
    server = subprocess.Popen(
        [TONNAGE, "simulate", "--listen", "127.0.0.1:0", "--fault", fault], stdout=subprocess.PIPE, text=True
    )
    wrong = []
    try:
        url = re.search(r"http://\S+", server.stdout.readline()).group()
        with tempfile.TemporaryDirectory() as place:
            for endpoint in STREAMED + WHOLE:
                expected = FAULTS[fault][endpoint in WHOLE]
                kind, code, whole = ended(url, endpoint, place)
                known = set(kind.split()) <= set(expected.split())
                if not known or not whole or code != (0 if expected == "completed" else 3):
                    wrong.append(f"{endpoint}: {kind}, exit code {code}{'' if whole else ', not all accounted for'}")
    finally:
        server.kill()
    print(f"| {fault} | {' / '.join(FAULTS[fault])} | {'; '.join(wrong) or 'as expected'} |", flush=True)
    return not wrong


print(f"{len(STREAMED + WHOLE)} endpoints, {REQUESTS} requests for each fault\n")
print("| fault | streamed / whole | endpoints |\n|---|---|---|")
with ThreadPoolExecutor(2) as pool:
    sys.exit(0 if all(list(pool.map(against, FAULTS))) else 1)
