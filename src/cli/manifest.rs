//! Owns verb `manifest`: prints the files that start all shards of a plan on a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::exit::Exit;
use crate::cli::options::TEMPLATE;
use crate::cli::terminal::print;
use crate::error::Error;
use crate::report::{Kubernetes, Manifest, render_kubernetes, render_slurm};
use crate::results::{Limit, read_text};
use crate::units::Shard;

/// Files that start all shards of a plan on a cluster
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage manifest kubernetes --image registry/tonnage --shards 8 --target http://vllm:8000 -c tonnage.yaml > job.yaml
  tonnage manifest slurm --shards 8 --shared /scratch/load --target http://vllm:8000 -c tonnage.yaml > job.sh
",
    help_template = TEMPLATE
)]
pub(super) struct ManifestArguments {
    #[command(subcommand)]
    cluster: Cluster,
}

#[derive(Debug, Subcommand)]
enum Cluster {
    /// An Indexed Job with its configuration and its volume
    Kubernetes(KubernetesArguments),
    /// A script for sbatch
    Slurm(SlurmArguments),
}

#[derive(Debug, Args)]
#[command(help_template = TEMPLATE)]
struct KubernetesArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Image whose entry point is tonnage
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// Storage class of the volume that all pods write (`ReadWriteMany`) [default: the cluster's]
    #[arg(long, value_name = "NAME")]
    storage_class: Option<String>,
    /// Name of the Secret that holds the API key, under api-key
    // A name with `key` or `secret` would be that of a secret, which no page shows.
    #[arg(long, value_name = "NAME")]
    held_by: Option<String>,
}

#[derive(Debug, Args)]
#[command(help_template = TEMPLATE)]
struct SlurmArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Folder that all nodes see
    #[arg(long, value_name = "DIR")]
    shared: String,
}

#[derive(Debug, Args)]
struct CommonArguments {
    /// What the shards do: run or replay
    #[arg(long, value_name = "VERB", default_value = "run", value_parser = ["run", "replay"])]
    verb: String,
    /// How many shards
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(Shard::MOST)))]
    shards: u32,
    /// URL of the service [default: the configuration's]
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// YAML file of options, which becomes part of what is printed
    #[arg(short = 'c', long, value_name = "FILE.yaml")]
    config: PathBuf,
    /// Name of everything that is made: letters, digits and dashes
    #[arg(long, value_name = "NAME", default_value = "tonnage", value_parser = name)]
    name: String,
    /// Processors of each shard
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    processors: u32,
    /// Memory of each shard in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(64..))]
    memory: u32,
}

/// A name as Kubernetes takes it (RFC 1123 label).
fn name(text: &str) -> Result<String, String> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_well = text.bytes().next().is_some_and(is_letter) && text.bytes().next_back().is_some_and(is_letter);
    if ends_well && text.len() <= 52 && text.bytes().all(|byte| is_letter(byte) || byte == b'-') {
        return Ok(text.to_owned());
    }
    Err("accepted are up to 52 lower-case letters, digits and dashes, with a letter or digit at both ends".to_owned())
}

impl CommonArguments {
    fn manifest(&self) -> Result<Manifest, Error> {
        let mut config =
            read_text(&self.config, Limit::CONFIG, "check the path of --config; `tonnage init` writes one")?;
        if !config.ends_with('\n') {
            config.push('\n');
        }
        if self.target.is_none() && !config.lines().any(|line| line.starts_with("target:")) {
            let why =
                "is missing, and the configuration names none: each shard would load a simulated server of its own";
            return Err(Error::usage("--target", why, "give the URL of the service as the nodes see it"));
        }
        Ok(Manifest {
            verb: self.verb.clone(),
            name: self.name.clone(),
            shards: self.shards,
            target: self.target.clone(),
            config,
            processors: self.processors,
            memory_mib: self.memory,
        })
    }
}

/// Prints the files.
pub(super) fn manifest(arguments: &ManifestArguments) -> Result<ExitCode, Error> {
    let text = match &arguments.cluster {
        Cluster::Kubernetes(of) => {
            let cluster = Kubernetes {
                image: of.image.clone(),
                storage_class: of.storage_class.clone(),
                held_by: of.held_by.clone(),
            };
            render_kubernetes(&of.common.manifest()?, &cluster)
        }
        Cluster::Slurm(of) => render_slurm(&of.common.manifest()?, &of.shared),
    };
    print(&text)?;
    Ok(Exit::Done.into())
}
