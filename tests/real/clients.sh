#!/usr/bin/env bash
# Other people's clients against `tonnage simulate`: the official openai and anthropic packages for every endpoint that
# the simulated server claims, and the load generators GuideLLM, AIPerf and vLLM's `bench serve` where they install.
# TONNAGE_CLIENTS='openai guidellm' chooses; without it only the two official packages and ollama's are tried.
. "$(dirname "$0")/common.sh"
chosen=${TONNAGE_CLIENTS:-official}
simulated --sim 8b-h100
status=0
for client in $chosen; do
    case $client in
    official)
        venv clients openai anthropic ollama
        "$venv/bin/python" "$here/clients.py" "http://$engine" || status=1
        ;;
    guidellm)
        venv guidellm 'guidellm>=0.8'
        "$venv/bin/guidellm" benchmark run --target "http://$engine" --model tonnage-sim --profile constant --rate 4 \
            --max-seconds 8 --processor "$kept/tokenizer" --data prompt_tokens=32,output_tokens=16 --output-dir "$place" \
            >"$place/guidellm.txt" 2>&1 || status=1
        tail -n 40 "$place/guidellm.txt"
        ;;
    aiperf)
        venv aiperf 'aiperf>=0.13'
        "$venv/bin/aiperf" profile --model tonnage-sim --url "http://$engine" --endpoint-type chat --streaming \
            --request-rate 4 --request-count 20 --synthetic-input-tokens-mean 32 --output-tokens-mean 16 \
            --tokenizer "$kept/tokenizer" --artifact-dir "$place/aiperf" --ui none >"$place/aiperf.txt" 2>&1 || status=1
        tail -n 40 "$place/aiperf.txt"
        ;;
    *) echo "no client $client" && status=1 ;;
    esac
done
exit $status
