#!/usr/bin/env bash
# Traces of --otlp (cargo's feature `otlp`), received over HTTP and read with the definitions of OpenTelemetry
# (opentelemetry-proto, which refuses an unknown field). Spans are compared with records.jsonl.
. "$(dirname "$0")/common.sh"
"$TONNAGE" run --help | grep -q -- --otlp || { echo "TONNAGE must be built with --features otlp"; exit 2; }
venv otlp opentelemetry-proto
simulated --sim small --fault status:503@10%
collector_at=127.0.0.1:$(port)
cat >"$place/collector.py" <<'PY'
import base64, http.server, json, sys
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
host, port = sys.argv[1].split(":")
class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in body["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    # In OTLP's JSON ids are hexadecimal; in protobuf's JSON they are base64.
                    for key in ["traceId", "spanId"]:
                        span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
        message = json_format.ParseDict(body, ExportTraceServiceRequest(), ignore_unknown_fields=False)
        with open(sys.argv[2], "a") as kept:
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        known = {pair.key: pair.value.int_value or pair.value.string_value for pair in span.attributes}
                        kept.write(json.dumps({"id": int(known.get("tonnage.request") or 0), "bytes":
                            [len(span.trace_id), len(span.span_id)], "start": span.start_time_unix_nano,
                            "end": span.end_time_unix_nano, "code": span.status.code, "kind": span.kind,
                            "events": [[event.name, event.time_unix_nano] for event in span.events],
                            "error": known.get("error.type"), "trace": span.trace_id.hex()}) + "\n")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_):
        pass
http.server.HTTPServer((host, int(port)), Collector).serve_forever()
PY
begin collector "$venv/bin/python" "$place/collector.py" "$collector_at" "$place/spans.jsonl"
until_answers 20 "http://$collector_at/"
status=0
"$TONNAGE" run --target "http://$engine" --rate 40/s --duration 8s --otlp "http://$collector_at" --otlp-share 30% \
    --out "$place/run" >/dev/null || true
python3 - "$place" <<'PY' || status=1
import json, sys
place = sys.argv[1]
spans = [json.loads(line) for line in open(f"{place}/spans.jsonl")]
records = {record["id"]: record for record in map(json.loads, open(f"{place}/run/records.jsonl")) if "id" in record}
wrong = []
for span in spans:
    record = records[span["id"]]
    ok = (record["outcome"] == "completed") == (span["code"] == 1) and span["bytes"] == [16, 8] and span["kind"] == 3
    events = dict(map(tuple, span["events"]))
    for name, key in [("sent", "sent_s"), ("first_token", "first_token_s")]:
        if record.get(key) is not None:
            apart = (events[name] - span["start"]) / 1e9 - (record[key] - record["scheduled_s"])
            ok = ok and abs(apart) < 1e-6
    if not ok:
        wrong.append((span, record))
failed = sum(span["error"] == "status_503" for span in spans)
print(f"{len(spans)} spans of {len(records)} requests, {failed} of them failed; {len({s['trace'] for s in spans})} traces;"
      f" wrong: {wrong[:1] or 'none'}")
sys.exit(bool(wrong) or not 0.2 < len(spans) / len(records) < 0.4 or len({s["trace"] for s in spans}) != len(spans))
PY
# A collector that is not there costs nothing but a sentence.
"$TONNAGE" run --target "http://$engine" --rate 40/s --duration 2s --otlp "http://127.0.0.1:$(port)" --otlp-share 100% \
    --out "$place/lost" --quiet 2>"$place/lost.txt" || true
cat "$place/lost.txt"
grep -q "traces: 0 of" "$place/lost.txt" || status=1
exit $status
