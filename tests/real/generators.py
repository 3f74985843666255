"""Owns the runs of other load generators against `tonnage simulate`: one row for each generator and endpoint.

The row has what the generator reports beside what the server counted, and `tonnage report` reads the file of GuideLLM
and of AIPerf with the same figures. Ends with 1 if a generator fails or figures differ.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

generator, url, venv, tokenizer = sys.argv[1:]
failed = []
# Without a hub only the files of the tokenizer are read; AIPerf takes a path for the name of a repository then.
offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"} if generator != "aiperf" else {}


def counted():
    """Requests and generated tokens by the server's metrics."""
    text = urllib.request.urlopen(f"{url}/metrics", timeout=10).read().decode()
    value = lambda name: sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))
    return int(value("vllm:request_success_total")), int(value("vllm:generation_tokens_total"))


def run(*words):
    done = subprocess.run([f"{venv}/bin/{words[0]}", *words[1:]], capture_output=True, text=True, timeout=240,
                          env={**os.environ, **offline})
    return done.returncode, done.stdout + done.stderr


def read_back(path):
    """What `tonnage report` reads in the generator's file: completed requests, and p99 of the latency in seconds."""
    done = subprocess.run([os.environ["TONNAGE"], "report", str(path), "--json"], capture_output=True, text=True)
    if done.returncode:
        failed.append(done.stderr)
        return None
    load = json.loads(done.stdout)["loads"][0]
    p99 = [value for share, value in load["latencies"]["e2e"]["quantiles"] if share == 0.99][0]
    return int(load["completed"]), round(p99, 6), load["rate_per_s"]


def must_be_read(path, expected):
    seen = read_back(path)
    if seen != expected:
        failed.append("read back")
        print(f"tonnage report {path}: {seen} instead of {expected}", file=sys.stderr)


def number(pattern, text):
    found = re.search(pattern, text)
    return float(found[1]) if found else None


def guidellm(endpoint):
    path = pathlib.Path(tempfile.mkdtemp()) / "benchmarks.json"
    code, text = run("guidellm", "run", "--backend", f"kind=openai_http,target={url},model=tonnage-sim,"
                     f"request_format={endpoint}", "--profile", "kind=constant,rate=5", "--constraint",
                     "kind=max_requests,count=16", "--tokenizer", f"kind=hf_auto,model={tokenizer}", "--data",
                     "kind=synthetic_text,prompt_tokens=32,output_tokens=16", "--output", "kind=console",
                     "--output", f"kind=json,path={path}", "--disable-progress")
    if path.exists():
        found = json.loads(path.read_text())["benchmarks"][0]
        latency = found["metrics"]["request_latency"]["successful"]["percentiles"]["p99"]
        must_be_read(path, (found["metrics"]["request_totals"]["successful"], round(latency, 6), 5.0))
    each = number(r"constant@5\.00 +\| +[\d.]+ +\| +[\d.]+ +\| +([\d.]+)", text.split("Token Statistics")[-1])
    return code, text, (16, 16 * each) if each is not None else None


def aiperf(endpoint):
    folder = pathlib.Path(tempfile.mkdtemp())
    words = ["--streaming"] if endpoint in ("chat", "completions", "responses", "messages") else []
    code, text = run("aiperf", "profile", "--model", "tonnage-sim", "--url", url, "--endpoint-type", endpoint,
                     "--request-rate", "5", "--request-count", "16", "--synthetic-input-tokens-mean", "32",
                     "--output-tokens-mean", "16", "--tokenizer", tokenizer, "--artifact-dir", str(folder), "--ui",
                     "none", *words)
    path = folder / "profile_export_aiperf.json"
    if not path.exists():
        return code, text, None
    report = json.loads(path.read_text())
    value = lambda key: (report.get(key) or {}).get("avg", 0)
    must_be_read(path, (int(value("request_count")), round(report["request_latency"]["p99"] / 1e3, 6), 5.0))
    return code, text, (value("request_count"), value("total_usage_completion_tokens") or value("total_osl"))


def vllm(endpoint):
    kind = {"/v1/chat/completions": "openai-chat", "/v1/completions": "openai", "/v1/embeddings": "openai-embeddings"}
    code, text = run("python", "-m", "vllm.entrypoints.cli.main", "bench", "serve", "--backend", kind[endpoint],
                     "--base-url", url, "--endpoint", endpoint, "--model", "tonnage-sim", "--tokenizer", tokenizer,
                     "--dataset-name", "random", "--random-input-len", "32", "--random-output-len", "16",
                     "--num-prompts", "16", "--request-rate", "5", "--ready-check-timeout-sec", "0")
    done = number(r"Successful requests: +(\d+)", text)
    return code, text, (done, number(r"Total generated tokens: +(\d+)", text) or 0) if done is not None else None


endpoints = {
    "guidellm": ["/v1/chat/completions", "/v1/completions", "/v1/responses"],
    "aiperf": ["chat", "completions", "responses", "messages", "embeddings"],
    "vllm": ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"],
}
print(f"\n{generator} against tonnage simulate\n")
print("| endpoint | exit | requests, output tokens by the generator | by the server | same |")
print("|---|---|---|---|---|")
for endpoint in endpoints[generator]:
    before = counted()
    code, text, reported = globals()[generator](endpoint)
    after = counted()
    server = after[0] - before[0], after[1] - before[1]
    same = reported is not None and (reported[0], reported[1]) == server
    if not same or code:
        failed.append(endpoint)
    shown = "nothing" if reported is None else f"{reported[0]:.0f}, {reported[1]:.0f}"
    print(f"| {endpoint} | {code} | {shown} | {server[0]}, {server[1]} | {'yes' if same else 'NO'} |", flush=True)
    if not same or code:
        print(text[-1500:], file=sys.stderr)
sys.exit(bool(failed))
