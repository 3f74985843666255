#!/usr/bin/env bash
# Other people's clients against `tonnage simulate`: the official openai and anthropic packages and ollama's for every
# endpoint that the simulated server claims, and the load generators GuideLLM, AIPerf and vLLM's `bench serve`.
# TONNAGE_CLIENTS='official guidellm aiperf vllm' chooses; `vllm` needs the installation of vllm.sh.
. "$(dirname "$0")/common.sh"
chosen=${TONNAGE_CLIENTS:-official guidellm aiperf}
simulated --sim 8b-h100

# generator NAME: a load generator of the environment $venv, with a tokenizer that its transformers makes.
generator() {
    "$venv/bin/python" "$here/tiny_tokenizer.py" "$here/../../datasets/words.txt" "$place/tokenizer" 2>/dev/null
    "$venv/bin/python" "$here/generators.py" "$1" "http://$engine" "$venv" "$place/tokenizer"
}

status=0
for client in $chosen; do
    case $client in
    official)
        venv clients openai anthropic ollama
        "$venv/bin/python" "$here/clients.py" "http://$engine" || status=1
        ;;
    guidellm)
        venv guidellm 'guidellm>=0.8'
        generator guidellm || status=1
        ;;
    aiperf)
        venv aiperf 'aiperf>=0.13'
        generator aiperf || status=1
        ;;
    vllm)
        venv=$kept/vllm
        generator vllm || status=1
        ;;
    *)
        echo "no client $client"
        status=1
        ;;
    esac
done
exit $status
