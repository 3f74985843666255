//! Owns the step from the options to what prompts share, with refusals of what does not fit.

use crate::cli::load::lengths_of;
use crate::cli::options::{PrefixOptions, TargetOptions};
use crate::client::Endpoint;
use crate::error::Error;
use crate::seed::Seed;
use crate::units::{Ratio, count};
use crate::workload::{LengthSpec, Listed, Plan, PrefixLength, Prefixes, Salt, SourceSpec, Workload, infinite_cache};

/// How far the share that prompts can reach may lie below the share that was asked for.
const TOLERANCE: f64 = 0.02;
/// Lengths that are drawn to learn which share prompts can reach.
const DRAWN: u64 = 10_000;

impl PrefixOptions {
    /// The first of these options that was given.
    fn first(&self) -> Option<&'static str> {
        let given = [
            ("--system-tokens", self.system_tokens.is_some()),
            ("--prefix-groups", self.prefix_groups.is_some()),
            ("--prefix-tokens", self.prefix_tokens.is_some()),
            ("--cache-hit", self.cache_hit.is_some()),
            ("--prefix-popularity", self.prefix_popularity.is_some()),
            ("--prime", self.prime),
            ("--no-prime", self.no_prime),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// Whether prompts share something.
    pub(super) fn is_given(&self) -> bool {
        self.first().is_some()
    }
}

/// `workload` with what the options let its prompts share, drawn from `seed`.
pub(super) fn sharing(workload: Workload, options: &PrefixOptions, seed: u64) -> Result<Workload, Error> {
    let Some(prefixes) = prefixes_of(options, Seed::new(seed))? else { return Ok(workload) };
    if workload.sessions.is_some() && options.cache_hit.is_some() {
        let why =
            "is a share of the prompts of single requests, and later turns of a session share its conversation, too";
        let instead = "give --system-tokens or --prefix-tokens, with which each session begins";
        return Err(Error::usage("--cache-hit", why, instead));
    }
    match &workload.source {
        SourceSpec::Listed(listed) => refuse_rows(listed, options)?,
        SourceSpec::Drawn { input, .. } => refuse_lengths(input, &prefixes)?,
        SourceSpec::Mixed(mix) => mix.classes().iter().try_for_each(|class| {
            let of_class = |error| named(error, &class.name);
            refuse_lengths(&class.input, &prefixes).map_err(of_class)
        })?,
        SourceSpec::Recorded(_) => {}
    }
    Ok(workload.sharing_prefixes(Some(prefixes)))
}

/// `error` about the prompts of the class `name` of a mix.
fn named(error: Error, name: &str) -> Error {
    match error {
        Error::Usage { option, why, accepted } => Error::usage(option, format!("class {name}: {why}"), accepted),
        other => other,
    }
}

/// `plan` with its prefixes as the load needs them. The loads of a sweep or a search share theirs, so every load but
/// the first would be primed.
pub(super) fn shared_in_load(plan: Plan, of_many: bool, system_message: bool) -> Plan {
    match plan.workload().prefixes.clone() {
        Some(prefixes) => {
            let primed = prefixes.primed || of_many;
            plan.sharing_prefixes(Some(Prefixes { system_message, primed, ..prefixes }))
        }
        None => plan,
    }
}

/// What the options ask for; `None` without any of them.
fn prefixes_of(options: &PrefixOptions, seed: Seed) -> Result<Option<Prefixes>, Error> {
    let refuse = |flag: &str, why: &str, instead: &str| Err(Error::usage(flag, why, instead));
    if options.prime && options.no_prime {
        return refuse("--no-prime", "cannot be combined with --prime", "drop one of them");
    }
    let length = match (options.cache_hit, &options.prefix_tokens) {
        (Some(_), Some(_)) => {
            let why = "chooses the lengths of prefixes, which --prefix-tokens gives";
            return refuse("--cache-hit", why, "drop one of them");
        }
        (Some(_), None) if options.system_tokens.is_some() => {
            let why = "chooses how many tokens prompts share, which --system-tokens gives";
            return refuse("--cache-hit", why, "drop one of them");
        }
        (Some(share), None) => Some(PrefixLength::Share(share)),
        (None, Some(text)) => Some(PrefixLength::Tokens(lengths_of("--prefix-tokens", text)?)),
        (None, None) => None,
    };
    if length.is_none() {
        if options.prefix_groups.is_some() {
            let why = "says how many prefixes there are, and nothing says how long they are";
            return refuse("--prefix-groups", why, "add --prefix-tokens 256, or --cache-hit 30%");
        }
        if options.prefix_popularity.is_some() {
            let why = "says how often groups are drawn, and there are none";
            return refuse("--prefix-popularity", why, "add --prefix-groups 64 --prefix-tokens 256");
        }
        if options.system_tokens.is_none() {
            return match options.first() {
                None => Ok(None),
                Some(flag) => refuse(
                    flag,
                    "speaks of prefixes, and prompts share none",
                    "add --system-tokens 200, --prefix-tokens 256 or --cache-hit 30%",
                ),
            };
        }
    }
    let groups = options.prefix_groups.unwrap_or(1);
    if groups == 1 && options.prefix_popularity.is_some() {
        let why = "says how often each of several groups is drawn, and there is one";
        return refuse("--prefix-popularity", why, "add --prefix-groups 64, or drop it");
    }
    let primed = options.prime || (options.cache_hit.is_some() && !options.no_prime);
    Ok(Some(Prefixes {
        system_tokens: options.system_tokens.unwrap_or(0),
        groups,
        length,
        popularity: options.prefix_popularity.unwrap_or_default(),
        primed,
        ..Prefixes::system(0, seed)
    }))
}

/// Refuses prefixes that no row of the data set can have.
fn refuse_rows(listed: &Listed, options: &PrefixOptions) -> Result<(), Error> {
    let flag = options.first().unwrap_or("--prefix-tokens");
    if listed.data().bodies() > 0 {
        let why = "would change the bodies of the data set, which are sent as they are";
        return Err(Error::usage(flag, why, "drop it, and write it into the bodies"));
    }
    if options.cache_hit.is_some() {
        let why = "makes prompts of which a share is a prefix, and --dataset brings prompts";
        return Err(Error::usage("--cache-hit", why, "give --prefix-tokens, which come in front of each row"));
    }
    if options.system_tokens.is_some() && listed.data().has_system() {
        let why = "rows of the data set have a system message of their own";
        return Err(Error::usage("--system-tokens", why, "drop it; --prefix-tokens comes in front of the first text"));
    }
    Ok(())
}

/// Refuses prefixes that are as long as the shortest prompt, and a share that prompts of these lengths cannot reach.
fn refuse_lengths(input: &LengthSpec, prefixes: &Prefixes) -> Result<(), Error> {
    if let Some(PrefixLength::Share(share)) = prefixes.length {
        return refuse_share(input, share, prefixes.seed);
    }
    let Some((least, _)) = input.bounds() else { return Ok(()) };
    let longest = prefixes.longest();
    if longest < least {
        return Ok(());
    }
    let (flag, what) = match (prefixes.system_tokens, longest - prefixes.system_tokens) {
        (_, 0) => ("--system-tokens", format!("a system prompt of {longest} tokens")),
        (0, _) => ("--prefix-tokens", format!("a prefix of {longest} tokens")),
        (_, _) => ("--prefix-tokens", format!("a system prompt and a prefix of {longest} tokens together")),
    };
    let why = format!("{what} does not fit into a prompt of {least} tokens, of which it is a part");
    Err(Error::usage(flag, why, format!("give --input-tokens of at least {}, or fewer tokens", longest + 1)))
}

fn refuse_share(input: &LengthSpec, share: Ratio, seed: Seed) -> Result<(), Error> {
    let stream = seed.stream("input_lengths");
    let block = Prefixes::BLOCK_TOKENS;
    let (mut all, mut most) = (0.0, 0.0);
    for tokens in (0..DRAWN).map(|id| input.tokens(&stream, id)) {
        all += f64::from(tokens);
        most += (share.share() * f64::from(tokens)).min(f64::from((tokens - 1) / block * block));
    }
    let reached = most / all;
    if reached >= share.share() - TOLERANCE {
        return Ok(());
    }
    let why = format!(
        "prompts of {input} tokens reach {:.1}% of {share}: a prefix cache holds whole blocks of {block} tokens, and \
         the last token is always computed",
        reached * 100.0
    );
    Err(Error::usage("--cache-hit", why, "ask for a smaller share, or for longer --input-tokens"))
}

/// Refuses prefixes for an endpoint whose requests are batches of texts.
pub(super) fn refuse_batches(options: &PrefixOptions, target: &TargetOptions) -> Result<(), Error> {
    let Some(flag) = options.first().filter(|_| target.endpoint.texts(1).is_some()) else { return Ok(()) };
    let with: Vec<&str> =
        Endpoint::ALL.iter().filter(|other| other.texts(1).is_none()).map(|other| other.name()).collect();
    let why = format!("the endpoint {} takes batches of texts, which have no prefix", target.endpoint);
    Err(Error::usage(flag, why, format!("drop it, or use {}", with.join(", "))))
}

/// What is said about the prefixes of `plan` before the load.
pub(super) fn notes_of_prefixes(plan: &Plan, resets: bool) -> Vec<String> {
    let Some(prefixes) = &plan.workload().prefixes else { return Vec::new() };
    let mut notes = Vec::new();
    let share = infinite_cache(plan);
    if let Some(cut) = share.map(|share| share.cut).filter(|cut| *cut > 0) {
        notes.push(format!(
            "{} prompts are too short for {prefixes}: the end of what they share is cut off; --input-tokens with a \
             lower bound avoids it",
            count(cut)
        ));
    }
    if plan.workload().salt == Salt::Off && !resets {
        notes.push(
            "--salt off: the prefixes are those of every run with this seed, which the server may still hold; \
             --reset-cache empties its cache"
                .to_owned(),
        );
    }
    notes
}
