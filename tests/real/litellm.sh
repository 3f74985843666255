#!/usr/bin/env bash
# tonnage through the LiteLLM proxy, which reads and writes every event itself.
. "$(dirname "$0")/common.sh"
# 1.107.0 was withdrawn as compromised: a later one.
venv litellm 'litellm[proxy]>=1.108'
simulated --sim 8b-h100
at=127.0.0.1:$(port)
cat >"$place/config.yaml" <<CONF
model_list:
  - model_name: sim
    litellm_params:
      model: openai/tonnage-sim
      api_base: http://$engine/v1
      api_key: none
general_settings:
  master_key: sk-right
CONF
# The price list of the package instead of one from the network; no telemetry.
LITELLM_LOCAL_MODEL_COST_MAP=True DISABLE_ADMIN_UI=True begin litellm \
    "$venv/bin/litellm" --config "$place/config.yaml" --host 127.0.0.1 --port "${at##*:}" --telemetry False
until_answers 120 "http://$at/health/liveliness"
status=0
python3 "$here/loads.py" --name "LiteLLM $("$venv/bin/pip" list 2>/dev/null | awk '$1 == "litellm" { print $2 }')" \
    --target "http://$at" --metrics "http://$engine/metrics" --rate 4 --most 6 \
    -- --api-key sk-right --model sim || status=1
echo
echo 'a wrong key:'
"$TONNAGE" run --target "http://$at" --model sim --api-key sk-wrong --requests 4 --out "$place/wrong" 2>&1 \
    | head -5 || true
exit $status
