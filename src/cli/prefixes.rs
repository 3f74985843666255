//! Owns the step from the options to what prompts share, with refusals of what does not fit.

use crate::cli::endpoints::Endpoints;
use crate::cli::load::lengths_of;
use crate::cli::options::PrefixOptions;
use crate::client::Endpoint;
use crate::error::Error;
use crate::seed::Seed;
use crate::units::{Ratio, count};
use crate::workload::{
    LengthSpec, Listed, Mix, MixClass, Plan, PrefixLength, Prefixes, Salt, SourceSpec, Workload, infinite_cache,
    sentence_of_prefixes,
};

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
    let workload = sharing_by_class(workload, options)?;
    let classes = workload.source.mix().map_or(&[][..], Mix::classes);
    let is_shared = |class: &MixClass| class.prefixes.as_ref().is_some_and(|prefixes| !prefixes.is_nothing());
    let of_classes = classes.iter().any(is_shared);
    let Some(prefixes) = prefixes_of(options, of_classes, Seed::new(seed))? else { return Ok(workload) };
    if workload.sessions.is_some() && options.cache_hit.is_some() {
        return Err(refuse_share_of_sessions("--cache-hit"));
    }
    match &workload.source {
        SourceSpec::Listed(listed) => refuse_rows(listed, options)?,
        SourceSpec::Drawn { input, .. } => refuse_lengths(input, &prefixes)?,
        SourceSpec::Mixed(mix) => {
            mix.classes().iter().filter(|class| class.prefixes.is_none()).try_for_each(|class| {
                let of_class = |error| named(error, &class.name);
                refuse_lengths(&class.input, &prefixes).map_err(of_class)
            })?;
        }
        SourceSpec::Recorded(_) => {}
    }
    Ok(workload.sharing_prefixes(Some(prefixes)))
}

/// `workload` with the prefixes of its classes primed as the options say. Refuses those that prompts cannot have.
fn sharing_by_class(workload: Workload, options: &PrefixOptions) -> Result<Workload, Error> {
    let SourceSpec::Mixed(mix) = &workload.source else { return Ok(workload) };
    for class in mix.classes() {
        let Some(prefixes) = &class.prefixes else { continue };
        if workload.sessions.is_some() && prefixes.asked_share().is_some() {
            return Err(of_class(refuse_share_of_sessions("--cache-hit"), &class.name));
        }
        refuse_lengths(&class.input, prefixes).map_err(|error| of_class(error, &class.name))?;
    }
    let mix = mix.clone().with_each(|class| {
        if let Some(prefixes) = &mut class.prefixes {
            prefixes.primed = (prefixes.primed || options.prime) && !options.no_prime;
        }
    });
    Ok(Workload { source: SourceSpec::Mixed(mix), ..workload })
}

/// The refusal of a share of prompts, which `flag` asks for, in sessions.
fn refuse_share_of_sessions(flag: &str) -> Error {
    let why = "is a share of the prompts of single requests, and later turns of a session share its conversation, too";
    Error::usage(flag, why, "give --system-tokens or --prefix-tokens, with which each session begins")
}

/// What the prompts of the class `name` of a mix share with each other, drawn from `seed`; `None` if its keys, which
/// `own` holds, say nothing of it. A system prompt of 0 tokens alone: nothing.
pub(super) fn prefixes_of_class(mut own: PrefixOptions, name: &str, seed: u64) -> Result<Option<Prefixes>, Error> {
    let seed = Seed::new(seed).derived(&format!("prefixes of {name}"));
    let has_none = own.system_tokens == Some(0);
    own.system_tokens = own.system_tokens.filter(|tokens| *tokens > 0);
    if has_none && !own.is_given() {
        return Ok(Some(Prefixes::system(0, seed)));
    }
    prefixes_of(&own, false, seed).map_err(|error| of_class(error, name))
}

/// `error` about an option, as one about the key of the same name of the class `name` of a mix.
fn of_class(error: Error, name: &str) -> Error {
    match error {
        Error::Usage { option, why, accepted } => {
            let key = option.trim_start_matches('-');
            Error::usage("--mix", format!("{key} of the class {name}: {why}"), accepted.replace("--", ""))
        }
        other => other,
    }
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
pub(super) fn shared_in_load(plan: Plan, of_many: bool, endpoints: &Endpoints) -> Plan {
    let plan = plan.with_each_class(|class| {
        if let Some(prefixes) = &mut class.prefixes {
            prefixes.system_message = endpoints.of_class(&class.name).takes_messages();
            prefixes.primed |= of_many;
        }
    });
    // A class that goes to an endpoint without messages has its system prompt at the head of its prompt all the same.
    let system_message = endpoints.any(Endpoint::takes_messages);
    match plan.workload().prefixes.clone() {
        Some(prefixes) => {
            let primed = prefixes.primed || of_many;
            plan.sharing_prefixes(Some(Prefixes { system_message, primed, ..prefixes }))
        }
        None => plan,
    }
}

/// What the options ask for; `None` without any of them, and if they only speak of the priming of prefixes that
/// classes have, which `of_classes` says.
fn prefixes_of(options: &PrefixOptions, of_classes: bool, seed: Seed) -> Result<Option<Prefixes>, Error> {
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
                Some(_) if of_classes => Ok(None),
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
pub(super) fn refuse_batches(options: &PrefixOptions, endpoints: &Endpoints, plan: &Plan) -> Result<(), Error> {
    let takes_batches = |endpoint: Endpoint| endpoint.texts(1).is_some();
    let others: Vec<&str> =
        Endpoint::ALL.iter().filter(|other| !takes_batches(**other)).map(|other| other.name()).collect();
    let instead = format!("drop it, or use {}", others.join(", "));
    let refuse = |flag: &str, endpoint: Endpoint, of: &str| {
        let why = format!("{of}the endpoint {endpoint} takes batches of texts, which have no prefix");
        Err(Error::usage(flag, why, instead.clone()))
    };
    for class in plan.workload().source.mix().map_or(&[][..], Mix::classes) {
        let endpoint = endpoints.of_class(&class.name);
        if takes_batches(endpoint) && class.prefixes.as_ref().is_some_and(|prefixes| !prefixes.is_nothing()) {
            return refuse("--mix", endpoint, &format!("prefixes of the class {}: ", class.name));
        }
    }
    match options.first() {
        Some(flag) if !endpoints.any(|endpoint| !takes_batches(endpoint)) => {
            let endpoint = endpoints.all().first().copied().unwrap_or_default();
            refuse(flag, endpoint, "")
        }
        _ => Ok(()),
    }
}

/// What is said about the prefixes of `plan` before the load.
pub(super) fn notes_of_prefixes(plan: &Plan, resets: bool) -> Vec<String> {
    let Some(share) = infinite_cache(plan) else { return Vec::new() };
    let mut notes = Vec::new();
    let prefixes = sentence_of_prefixes(plan);
    if let Some(cut) = Some(share.cut).filter(|cut| *cut > 0) {
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
