//! Owns `ServiceProfile`: the behaviour of the simulated server, and its text form.

use std::fmt;

use crate::error::Refusal;
use crate::sim::Law;
use crate::sim::engine::{Preset, Setup};
use crate::sim::law;
use crate::units::parse_duration;

const ACCEPTED: &str = "accepted is small, 8b-h100, 8b-a100, 70b-4xh100 (each also with limits, as in \
    8b-h100:max_seqs=64), delay, \
     delay:ttft=20ms,itl=5ms (each also exp:20ms or lognormal:20ms,0.5), mmc:servers=4,service=100ms, \
     mdc:servers=2,service=50ms or \
     queue:servers=2,service=lognormal:50ms,1.7; \
     tonnage help sim says what they are";

/// The behaviour of the simulated server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServiceProfile(pub(super) Skin);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Skin {
    /// Continuous batching, step by step.
    Engine(Setup),
    /// A server that knows the instants of a request's tokens when the request arrives.
    Simple(Simple),
}

/// The servers that know the instants of a request's tokens when it arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Simple {
    /// M/G/∞: no request waits for another.
    Delay { ttft: Law, itl: Law },
    /// A FIFO queue before `servers` servers: M/G/c under Poisson load, including M/M/c and M/D/c.
    Queue { servers: u32, service: Law },
}

impl ServiceProfile {
    /// The most servers of a queue.
    pub const MOST_SERVERS: u32 = 4_096;
    /// The accepted forms of profile text with their descriptions, for help.
    pub const FORMS: &[(&str, &str)] = &[
        ("small", Preset::Small.sentence()),
        ("8b-h100", Preset::Llama8bOnH100.sentence()),
        ("8b-a100", Preset::Llama8bOnA100.sentence()),
        ("70b-4xh100", Preset::Llama70bOnFourH100.sentence()),
        ("8b-h100:max_seqs=64", "an engine with limits of your own; several are separated by commas"),
        ("delay", "lognormal, CV 0.1: 20 ms to the first token, then 5 ms per token"),
        (
            "delay:ttft=20ms,itl=5ms",
            "pure delay (M/G/∞): no request waits for another; each law also exp:20ms or lognormal:20ms,0.5",
        ),
        (
            "mmc:servers=4,service=100ms",
            "FIFO queue, exponential service; all tokens leave at once, so TTFT = E2E = time in the system",
        ),
        ("mdc:servers=2,service=50ms", "FIFO queue, constant service"),
        (
            "queue:servers=2,service=gamma:1s,2",
            "FIFO queue, any law of service: also lognormal:1s,1.7, hyper:1s,2, pareto:1s,2.5, pareto:1s,1.5,1000",
        ),
    ];

    /// The default: the engine [`Preset::Small`].
    #[must_use]
    pub const fn small() -> Self {
        Self::engine(Setup::of(Preset::Small))
    }

    /// Continuous batching, step by step.
    #[must_use]
    pub const fn engine(setup: Setup) -> Self {
        Self(Skin::Engine(setup))
    }

    /// The engine of this profile; `None` for a delay or a queue.
    #[must_use]
    pub const fn setup(&self) -> Option<Setup> {
        match self.0 {
            Skin::Engine(setup) => Some(setup),
            Skin::Simple(_) => None,
        }
    }

    /// The profile of the text `delay`: TTFT 20 ms, gaps 5 ms, both lognormal with a coefficient of variation of 0.1,
    /// no queue.
    #[must_use]
    pub const fn modest_delay() -> Self {
        Self::delay(Law::modest(20), Law::modest(5))
    }

    /// Pure delay (M/G/∞): the first token comes after a draw of `ttft`, each later token after a draw of `itl`.
    #[must_use]
    pub const fn delay(ttft: Law, itl: Law) -> Self {
        Self(Skin::Simple(Simple::Delay { ttft, itl }))
    }

    /// A FIFO queue before `servers` (1 to 4096) servers, with exponential service of mean `mean_service`. All tokens
    /// of a response leave at once.
    pub fn mmc(servers: u32, mean_service: std::time::Duration) -> Result<Self, Refusal> {
        Self::queue(servers, Law::exponential(mean_service)?)
    }

    /// A FIFO queue before `servers` (1 to 4096) servers, with constant service. All tokens of a response leave at
    /// once.
    pub fn mdc(servers: u32, service: std::time::Duration) -> Result<Self, Refusal> {
        Self::queue(servers, Law::constant(service)?)
    }

    /// A FIFO queue before `servers` (1 to 4096) servers, with any law of service. All tokens of a response leave at
    /// once.
    pub fn queue(servers: u32, service: Law) -> Result<Self, Refusal> {
        if (1..=Self::MOST_SERVERS).contains(&servers) {
            Ok(Self(Skin::Simple(Simple::Queue { servers, service })))
        } else {
            Err(Refusal::new(format!("{servers} servers are out of range"), "accepted is 1 to 4096"))
        }
    }
}

impl Default for ServiceProfile {
    fn default() -> Self {
        Self::small()
    }
}

impl std::str::FromStr for ServiceProfile {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let refuse = |why: String| Refusal::new(why, ACCEPTED);
        // `engine:small` means `small`.
        let (text, engine) = text.strip_prefix("engine:").map_or((text, false), |rest| (rest, true));
        let (name, changes) = text.split_once(':').map_or((text, None), |(name, changes)| (name, Some(changes)));
        match (Preset::named(name), changes) {
            (Some(preset), Some(changes)) => return Setup::with(preset, changes).map(Self::engine),
            (Some(preset), None) => return Ok(Self::engine(Setup::of(preset))),
            (None, _) if engine => return Err(refuse(format!("`{name}` is not an engine"))),
            (None, None) if name == "delay" => return Ok(Self::modest_delay()),
            (None, _) => {}
        }
        let (kind, rest) = text.split_once(':').ok_or_else(|| refuse(format!("`{text}` is not a simulated server")))?;
        match kind {
            "delay" => {
                let [ttft, itl] = fields(rest, ["ttft", "itl"]).map_err(refuse)?;
                Ok(Self::delay(ttft.parse()?, itl.parse()?))
            }
            "mmc" | "mdc" | "queue" => {
                let [servers, service] = fields(rest, ["servers", "service"]).map_err(refuse)?;
                let servers = servers.parse().map_err(|_| refuse(format!("`{servers}` is not a number of servers")))?;
                match kind {
                    "mmc" => Self::mmc(servers, parse_duration(&service)?),
                    "mdc" => Self::mdc(servers, parse_duration(&service)?),
                    _ => Self::queue(servers, service.parse()?),
                }
            }
            _ => Err(refuse(format!("`{kind}` is not a kind of simulated server"))),
        }
    }
}

/// Reads `key=value,key=value` with exactly these keys in any order. A comma inside a value (`lognormal:20ms,0.5`)
/// belongs to the value.
fn fields<const N: usize>(text: &str, keys: [&str; N]) -> Result<[String; N], String> {
    let mut values: [Option<String>; N] = std::array::from_fn(|_| None);
    let mut current: Option<usize> = None;
    for part in text.split(',') {
        if let Some((key, value)) = part.split_once('=') {
            let index = keys
                .iter()
                .position(|known| *known == key.trim())
                .ok_or_else(|| format!("`{}` is not a key here", key.trim()))?;
            if values[index].replace(value.trim().to_owned()).is_some() {
                return Err(format!("`{}` is given twice", keys[index]));
            }
            current = Some(index);
        } else {
            let value =
                current.and_then(|index| values[index].as_mut()).ok_or_else(|| format!("`{part}` lacks its key"))?;
            value.push(',');
            value.push_str(part.trim());
        }
    }
    for (key, value) in keys.iter().zip(&values) {
        if value.is_none() {
            return Err(format!("`{key}=` is missing"));
        }
    }
    Ok(values.map(Option::unwrap_or_default))
}

impl fmt::Display for ServiceProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            _ if *self == Self::modest_delay() => f.write_str("delay"),
            Skin::Engine(setup) => setup.fmt(f),
            Skin::Simple(Simple::Delay { ttft, itl }) => write!(f, "delay:ttft={ttft},itl={itl}"),
            Skin::Simple(Simple::Queue { servers, service }) => {
                let (kind, by_mean) = match service {
                    service if service.is_exponential() => ("mmc", true),
                    service if service.is_constant() => ("mdc", true),
                    _ => ("queue", false),
                };
                write!(f, "{kind}:servers={servers},service=")?;
                if by_mean { law::write_span(f, service.mean()) } else { service.fmt(f) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn profiles_are_read_as_the_help_writes_them() {
        for (text, _) in ServiceProfile::FORMS {
            assert_eq!(text.parse::<ServiceProfile>().map(|profile| profile.to_string()).as_deref(), Ok(*text));
        }
        let long = "delay:ttft=lognormal:20ms,0.1,itl=lognormal:5ms,0.1";
        assert_eq!(long.parse(), Ok(ServiceProfile::modest_delay()));
        assert_eq!("engine:small".parse(), Ok(ServiceProfile::small()));
        assert!(Preset::ALL.iter().all(|preset| ServiceProfile::FORMS.iter().any(|(text, _)| *text == preset.name())));
        assert_eq!(
            "delay:itl=exp:5ms,ttft=0".parse::<ServiceProfile>().map(|p| p.to_string()).as_deref(),
            Ok("delay:ttft=0s,itl=exp:5ms")
        );
    }

    #[test]
    fn a_refusal_lists_what_is_accepted() {
        for text in [
            "large",
            "engine",
            "engine:large",
            "engine:delay",
            "small:",
            "8b-h100:max_seqs=x",
            "mmc",
            "mmc:servers=4",
            "mmc:servers=0,service=1s",
            "mdc:servers=x,service=1s",
            "mdc:servers=1,service=5",
            "queue:servers=1,service=zipf:5ms",
            "queue:servers=0,service=exp:5ms",
            "queue:service=exp:5ms",
        ] {
            assert!(text.parse::<ServiceProfile>().is_err(), "{text}");
        }
        let refusal = "large".parse::<ServiceProfile>().unwrap_err();
        assert!(refusal.accepted.contains("small") && refusal.accepted.contains("mdc:"));
        assert!("delay:ttft=1s,ttft=2s,itl=0".parse::<ServiceProfile>().is_err(), "given twice");
        assert!("delay:5ms,ttft=2s,itl=0".parse::<ServiceProfile>().is_err(), "a value without its key");
    }

    proptest! {
        #[test]
        fn a_queue_survives_its_text(
            servers in 1u32..4_096,
            nanos in 0u64..10_000_000_000,
            variation in 0.01f64..10.0,
            shape in 0..6,
        ) {
            let service = std::time::Duration::from_nanos(nanos);
            let law = match shape {
                0 => Law::exponential(service),
                1 => Law::constant(service),
                2 => Law::lognormal(service, variation),
                3 => Law::gamma(service, variation),
                4 => Law::hyperexponential(service, 1.0 + 0.9 * variation),
                _ => Law::pareto_cut(service, 1.0 + variation, 1_000.0),
            };
            let profile = ServiceProfile::queue(servers, law.unwrap()).unwrap();
            prop_assert_eq!(profile.to_string().parse::<ServiceProfile>(), Ok(profile));
        }

        #[test]
        fn no_text_breaks_the_parser(text in "(delay|mmc|mdc|queue|small|engine:8b-h100)?[:=,a-z0-9._ ]*") {
            let _ = text.parse::<ServiceProfile>();
        }
    }
}
