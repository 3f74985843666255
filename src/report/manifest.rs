//! Owns the files that people apply: a Job of Kubernetes, and a script of Slurm, that start all shards of one plan.

use std::fmt::Write as _;

/// What both files need.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// The verb: run or replay.
    pub verb: String,
    /// The name of everything that is made.
    pub name: String,
    /// How many shards.
    pub shards: u32,
    /// The URL of the service, unless the configuration names it.
    pub target: Option<String>,
    /// The configuration, as `-c` reads it.
    pub config: String,
    /// Processors of each shard.
    pub processors: u32,
    /// Memory of each shard, in MiB.
    pub memory_mib: u32,
}

/// What only Kubernetes needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kubernetes {
    /// The image, whose entry point is tonnage.
    pub image: String,
    /// The storage class of the volume that all pods write; the cluster's default without one.
    pub storage_class: Option<String>,
    /// The secret whose key `api-key` is the API key.
    pub held_by: Option<String>,
}

/// `text` as a YAML scalar: a JSON text is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `text`, each line behind `indent` spaces.
fn indented(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        // Writing to a string cannot fail.
        _ = if line.is_empty() { writeln!(lines) } else { writeln!(lines, "{:indent$}{line}", "") };
    }
    lines
}

/// The manifests: a configuration, a volume that all pods write, a headless service, and an Indexed Job.
pub(crate) fn render_kubernetes(manifest: &Manifest, cluster: &Kubernetes) -> String {
    let Manifest { name, shards, .. } = manifest;
    let class = cluster
        .storage_class
        .as_ref()
        .map_or_else(String::new, |class| format!("  storageClassName: {}\n", quoted(class)));
    let create = cluster.held_by.as_ref().map_or_else(String::new, |secret| {
        format!("# The key, once: kubectl create secret generic {secret} --from-literal=api-key=…\n")
    });
    let config = indented(&manifest.config, 4);
    let job = job_of(manifest, cluster);
    format!(
        "# {shards} shards of one plan. kubectl apply -f FILE; the log of the pod with index 0 has the merged
# result, and its exit code is the verdict.
{create}apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  tonnage.yaml: |
{config}---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}
spec:
  accessModes: [ReadWriteMany]
{class}  resources:
    requests:
      storage: 10Gi
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  clusterIP: None
  selector:
    job-name: {name}
---
{job}"
    )
}

/// The job.
fn job_of(manifest: &Manifest, cluster: &Kubernetes) -> String {
    let Manifest { verb, name, shards, processors, memory_mib, .. } = manifest;
    let target = manifest.target.as_ref().map_or_else(String::new, |url| format!(", --target, {}", quoted(url)));
    let key = cluster.held_by.as_ref().map_or_else(String::new, |secret| {
        format!(
            "            - name: OPENAI_API_KEY
              valueFrom:
                secretKeyRef: {{name: {}, key: api-key}}
",
            quoted(secret)
        )
    });
    let image = quoted(&cluster.image);
    format!(
        "apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  backoffLimitPerIndex: 0
  ttlSecondsAfterFinished: 86400
  podFailurePolicy:
    rules:
      # A pod that is moved has left its part of the load.
      - action: FailIndex
        onPodConditions:
          - type: DisruptionTarget
            status: \"True\"
      # 2: wrong options; 3: the target cannot be used.
      - action: FailJob
        onExitCodes:
          containerName: tonnage
          operator: In
          values: [2, 3]
  template:
    spec:
      restartPolicy: Never
      subdomain: {name}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: kubernetes.io/hostname
                labelSelector:
                  matchLabels:
                    job-name: {name}
      containers:
        - name: tonnage
          image: {image}
          args: [{verb}, -c, /config/tonnage.yaml{target}, --shard, auto, --meet, /meet/$(JOB), --meet-timeout, 10m,
            --out, /own/result]
          env:
            - name: TONNAGE_SHARDS
              value: \"{shards}\"
            # Each start of the job meets in a folder of its own.
            - name: JOB
              valueFrom:
                fieldRef:
                  fieldPath: metadata.labels['batch.kubernetes.io/controller-uid']
{key}          resources:
            requests: {{cpu: \"{processors}\", memory: {memory_mib}Mi}}
            limits: {{memory: {memory_mib}Mi}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - {{name: config, mountPath: /config, readOnly: true}}
            - {{name: meet, mountPath: /meet}}
            - {{name: own, mountPath: /own}}
      volumes:
        - name: config
          configMap: {{name: {name}}}
        - name: meet
          persistentVolumeClaim: {{claimName: {name}}}
        - name: own
          emptyDir: {{}}
"
    )
}

/// `text` as one word of a shell.
fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The script for `sbatch`: one allocation, one `srun` with a task for each shard. The elements of an array would not
/// start together. `shared` is a folder that all nodes see.
pub(crate) fn render_slurm(manifest: &Manifest, shared: &str) -> String {
    let Manifest { verb, name, shards, processors, memory_mib, config, .. } = manifest;
    let target = manifest.target.as_ref().map_or_else(String::new, |url| format!(" --target {}", shell_word(url)));
    let shared = shell_word(shared);
    format!(
        "#!/bin/bash
# {shards} shards of one plan. sbatch FILE; the log has the merged result, and the exit code is the verdict.
#SBATCH --job-name={name}
#SBATCH --ntasks={shards}
#SBATCH --cpus-per-task={processors}
#SBATCH --mem-per-cpu={per_cpu}M
#SBATCH --output={name}-%j.log
set -euo pipefail
place={shared}/{name}-$SLURM_JOB_ID
mkdir -p \"$place\"
cat >\"$place/tonnage.yaml\" <<'TONNAGE'
{config}TONNAGE
export place
exec srun bash -c 'exec tonnage {verb} -c \"$place/tonnage.yaml\"{inner} --shard auto --meet \"$place\" \\
    --meet-timeout 10m --out \"$place/own-$SLURM_PROCID\"'
",
        per_cpu = memory_mib.div_ceil(*processors),
        inner = target.replace('\'', "'\\''"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            verb: "run".to_owned(),
            name: "load".to_owned(),
            shards: 4,
            target: Some("http://it's:8000".to_owned()),
            config: "rate: 20/s\nduration: 4s\n".to_owned(),
            processors: 2,
            memory_mib: 1_023,
        }
    }

    #[test]
    fn the_job_starts_all_shards_together_and_holds_the_configuration() {
        let cluster = Kubernetes {
            image: "registry/tonnage:1".to_owned(),
            storage_class: None,
            held_by: Some("access".to_owned()),
        };
        let text = render_kubernetes(&manifest(), &cluster);
        for part in [
            "completions: 4\n  parallelism: 4\n  backoffLimitPerIndex: 0",
            "  tonnage.yaml: |\n    rate: 20/s\n    duration: 4s\n---",
            "args: [run, -c, /config/tonnage.yaml, --target, \"http://it's:8000\", --shard, auto,",
            "secretKeyRef: {name: \"access\", key: api-key}",
            "requests: {cpu: \"2\", memory: 1023Mi}",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("storageClassName"));
    }

    #[test]
    fn the_script_is_one_allocation_with_one_srun() {
        let text = render_slurm(&manifest(), "/scratch/a b");
        for part in [
            "#SBATCH --ntasks=4\n#SBATCH --cpus-per-task=2\n#SBATCH --mem-per-cpu=512M",
            "place='/scratch/a b'/load-$SLURM_JOB_ID",
            "rate: 20/s\nduration: 4s\nTONNAGE\n",
            "--shard auto --meet \"$place\"",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("--array"));
    }
}
