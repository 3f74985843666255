//! Owns `--shard auto`: which part of the plan a scheduler gives to this process, and where it says so.

use std::ffi::OsString;

use crate::error::Error;
use crate::units::Shard;

/// The value that asks for it.
const AUTO: &str = "auto";
/// The number of shards where the scheduler does not say it.
const SHARDS: &str = "TONNAGE_SHARDS";

/// Variables with the index of this process, from 0, and with their number. Kubernetes says no number.
const SCHEDULERS: [(&str, Option<&str>); 4] = [
    ("JOB_COMPLETION_INDEX", None),
    ("SLURM_PROCID", Some("SLURM_NTASKS")),
    ("OMPI_COMM_WORLD_RANK", Some("OMPI_COMM_WORLD_SIZE")),
    ("PMI_RANK", Some("PMI_SIZE")),
];

/// Where in `line` the value of `--NAME` stands: the place of its word, and the value.
fn value_of<'line>(line: &'line [OsString], name: &str) -> Option<(usize, &'line str)> {
    let flag = format!("--{name}");
    let words = || line.iter().map(|word| word.to_str().unwrap_or_default());
    let place = words()
        .rposition(|word| word.strip_prefix(&flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))?;
    match words().nth(place)?.split_once('=') {
        Some((_, value)) => Some((place, value)),
        None => Some((place + 1, words().nth(place + 1)?)),
    }
}

/// Whether `line` asks for the scheduler's shard.
pub(super) fn is_asked(line: &[OsString]) -> bool {
    value_of(line, "shard").is_some_and(|(_, value)| value == AUTO)
}

/// `line` with `shard` as the value of `--shard`.
pub(super) fn with_shard(line: &[OsString], shard: &str) -> Vec<OsString> {
    let mut line = line.to_vec();
    if let Some((place, _)) = value_of(&line, "shard") {
        let is_one_word = line[place].to_str().is_some_and(|word| word.starts_with("--shard="));
        line[place] = if is_one_word { format!("--shard={shard}") } else { shard.to_owned() }.into();
    }
    line
}

/// `line` with any shard in place of the scheduler's, so that it can be read.
pub(super) fn with_any(line: &[OsString]) -> Vec<OsString> {
    if is_asked(line) { with_shard(line, "1/1") } else { line.to_vec() }
}

/// The shard that the scheduler gives, by the variables of `environment`, and the sentence that says where it stands.
/// `line` may hold `--shards`.
pub(super) fn found(line: &[OsString], environment: impl Fn(&str) -> Option<String>) -> Result<(Shard, String), Error> {
    let refuse = |why: String, advice: &str| Err(Error::usage("--shard", why, advice));
    let number = |name: &str| {
        let text = environment(name)?;
        Some(text.trim().parse::<u32>().map_err(|_| {
            Error::usage("--shard", format!("auto: {name} is `{text}`, which is no number"), "give --shard I/N")
        }))
    };
    let asked = match value_of(line, "shards") {
        Some((_, text)) => Some((
            "--shards",
            text.parse()
                .map_err(|_| Error::usage("--shards", format!("`{text}` is no number"), "give one, as in 8"))?,
        )),
        None => number(SHARDS).transpose()?.map(|of| (SHARDS, of)),
    };
    for (index_name, size_name) in SCHEDULERS {
        let Some(index) = number(index_name).transpose()? else { continue };
        let size = size_name.and_then(|name| number(name).map(|size| (name, size)));
        let size = size.map(|(name, size)| size.map(|size| (name, size))).transpose()?;
        let (of_name, of) = match (asked, size) {
            (Some((asked_name, asked)), Some((name, size))) if asked != size => {
                return refuse(
                    format!("auto: {asked_name} is {asked}, and {name} is {size}"),
                    "give as many shards as the scheduler starts tasks, or drop --shards",
                );
            }
            (_, Some(size)) => size,
            (Some(asked), None) => asked,
            (None, None) => {
                return refuse(
                    format!("auto: {index_name} is set, and nothing says how many shards there are"),
                    "give --shards N, or set TONNAGE_SHARDS: the completions of the Indexed Job",
                );
            }
        };
        let shard = index.checked_add(1).and_then(|number| Shard::new(number, of).ok());
        let Some(shard) = shard else {
            return refuse(
                format!("auto: {index_name} is {index}, and {of_name} is {of}"),
                "the index counts from 0, and must be below the number of shards",
            );
        };
        return Ok((shard, format!("shard {shard}: {index_name} is {index}, {of_name} is {of}")));
    }
    let names: Vec<&str> = SCHEDULERS.iter().map(|(index, _)| *index).collect();
    refuse(
        format!("auto: no scheduler says which shard this is ({} are not set)", names.join(", ")),
        "start it in an Indexed Job, by srun or by mpirun; or give --shard I/N",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    /// The shard, or the refusal, with the variables `set`.
    fn shard(line: &str, set: &[(&str, &str)]) -> Result<String, String> {
        let environment = |name: &str| set.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        found(&words(line), environment).map(|(_, said)| said).map_err(|error| error.to_string())
    }

    #[test]
    fn the_index_of_each_scheduler_is_taken_and_said() {
        for (line, set, expected) in [
            (
                "tonnage run --shard auto --shards 8",
                &[("JOB_COMPLETION_INDEX", "2")][..],
                "shard 3/8: JOB_COMPLETION_INDEX is 2, --shards is 8",
            ),
            (
                "tonnage run --shard=auto",
                &[("JOB_COMPLETION_INDEX", "0"), ("TONNAGE_SHARDS", "2")],
                "shard 1/2: JOB_COMPLETION_INDEX is 0, TONNAGE_SHARDS is 2",
            ),
            (
                "tonnage run --shard auto",
                &[("SLURM_PROCID", "3"), ("SLURM_NTASKS", "4")],
                "shard 4/4: SLURM_PROCID is 3, SLURM_NTASKS is 4",
            ),
            (
                "tonnage run --shard auto",
                &[("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")],
                "shard 2/2: OMPI_COMM_WORLD_RANK is 1, OMPI_COMM_WORLD_SIZE is 2",
            ),
            (
                "tonnage run --shard auto",
                &[("PMI_RANK", "0"), ("PMI_SIZE", "2")],
                "shard 1/2: PMI_RANK is 0, PMI_SIZE is 2",
            ),
        ] {
            assert_eq!(shard(line, set).as_deref(), Ok(expected), "{set:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_variable() {
        for (line, set, expected) in [
            ("tonnage run --shard auto", &[][..], "no scheduler says which shard this is"),
            ("tonnage run --shard auto", &[("JOB_COMPLETION_INDEX", "1")], "nothing says how many shards there are"),
            (
                "tonnage run --shard auto --shards 2",
                &[("JOB_COMPLETION_INDEX", "2")],
                "must be below the number of shards",
            ),
            ("tonnage run --shard auto", &[("SLURM_PROCID", "x"), ("SLURM_NTASKS", "4")], "SLURM_PROCID is `x`"),
            (
                "tonnage run --shard auto --shards 3",
                &[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")],
                "--shards is 3, and SLURM_NTASKS is 4",
            ),
        ] {
            let error = shard(line, set).expect_err("a refusal");
            assert!(error.contains(expected), "{set:?}: {error}");
        }
    }

    #[test]
    fn the_value_is_replaced_where_it_stands() {
        for (line, expected) in [
            ("tonnage run --shard auto --rate 5", "tonnage run --shard 2/3 --rate 5"),
            ("tonnage run --rate 5 --shard=auto", "tonnage run --rate 5 --shard=2/3"),
            ("tonnage run --shards 3", "tonnage run --shards 3"),
        ] {
            assert_eq!(with_shard(&words(line), "2/3"), words(expected));
            assert_eq!(is_asked(&words(line)), line.contains("auto"));
        }
    }
}
