#!/usr/bin/env bash
# Real Slurm on this machine: a controller and two nodes, without munge, from Debian's packages unpacked into a folder.
# The script of `tonnage manifest slurm` runs 4 shards against `tonnage simulate`; the merged result must be the plan of
# one process, and its requests those that the server counted.
. "$(dirname "$0")/common.sh"
slurm=$kept/slurm
if [ ! -e "$slurm/done" ]; then
    mkdir -p "$slurm/root" && cd "$slurm"
    apt-get update -qq
    packages="slurmctld slurmd slurm-client slurm-wlm-basic-plugins"
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends --download-only -o Dir::Cache::archives="$slurm" $packages >/dev/null
    for package in "$slurm"/*.deb; do dpkg -x "$package" "$slurm/root"; done
    touch "$slurm/done"
    cd - >/dev/null
fi
root=$slurm/root
export PATH="$root/usr/bin:$root/usr/sbin:$(dirname "$TONNAGE"):$PATH"
export LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu/slurm-wlm"
export SLURM_CONF=$place/slurm.conf
mkdir -p "$place"/{state,spool-n1,spool-n2,shared}
host=$(hostname -s)
ports=$(for _ in 1 2 3; do port; done)
read -r one two three <<<"$(echo "$ports" | tr '\n' ' ')"
cat >"$SLURM_CONF" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$one
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
CryptoType=crypto/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SlurmdParameters=config_overrides
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool-%n
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd-%n.pid
PluginDir=$root/usr/lib/x86_64-linux-gnu/slurm-wlm
ReturnToService=2
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$two CPUs=8 RealMemory=4000
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$three CPUs=8 RealMemory=4000
PartitionName=all Nodes=n1,n2 Default=YES State=UP
CONF
begin slurmctld slurmctld-wlm -D -f "$SLURM_CONF"
begin slurmd1 slurmd-wlm -D -N n1 -d "$root/usr/sbin/slurmstepd-wlm" -f "$SLURM_CONF"
begin slurmd2 slurmd-wlm -D -N n2 -d "$root/usr/sbin/slurmstepd-wlm" -f "$SLURM_CONF"
for _ in $(seq 20); do timeout 3 sinfo -h 2>/dev/null | grep -q idle && break || sleep 0.5; done
timeout 5 sinfo || { tail -n 5 "$place"/slurmctld.log "$place"/slurmd1.log; exit 1; }
simulated --sim small

# The requests that the server has answered.
served() {
    python3 - "$engine" <<'PY'
import re, sys, urllib.request
page = urllib.request.urlopen(f"http://{sys.argv[1]}/metrics", timeout=5).read().decode()
print(round(sum(float(value) for value in re.findall(r"^vllm:request_success_total\{.*?\} (\S+)$", page, re.M))))
PY
}

cat >"$place/load.yaml" <<'YAML'
rate: 30/s
duration: 5s
seed: 3
input-tokens: 64
output-tokens: 8
no-preflight: true
slo: p50 ttft<=10s
YAML
"$TONNAGE" manifest slurm --shards 4 --shared "$place/shared" --target "http://$engine" -c "$place/load.yaml" \
    --processors 1 --memory 256 >"$place/job.sh"
before=$(served)
cd "$place"
code=0
sbatch --wait --nodes=2 job.sh || code=$?
log=$(ls "$place"/tonnage-*.log)
cat "$log"
merged=$(ls -d "$place"/shared/*/merged/result.json)
after=$(served)
"$TONNAGE" plan -c "$place/load.yaml" --json >"$place/plan.json" 2>/dev/null
python3 - "$merged" "$place/plan.json" "$before" "$after" "$code" <<'PY'
import glob, json, os, sys
merged, plan = (json.load(open(path)) for path in sys.argv[1:3])
before, after, code = map(int, sys.argv[3:6])
trial = merged["trials"][0]
assert merged["plan_fingerprint"] == plan["fingerprint"], "another plan than that of one process"
assert trial["requests"]["planned"] == plan["planned"] == trial["requests"]["completed"], trial["requests"]
assert after - before == plan["planned"], (before, after)
assert trial["load"]["merged"]["shards"] == 4 and code == 0, code
instants = []
for path in glob.glob(os.path.dirname(sys.argv[1]) + "/../results/*/records.jsonl"):
    instants += [json.loads(line)["scheduled_s"] for line in list(open(path))[1:]]
assert len(instants) == plan["planned"]
print(f"slurm: {plan['planned']} requests of 4 tasks on 2 nodes, the plan of one process; the server counted {after - before}")
PY
