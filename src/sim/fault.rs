//! Owns `InjectedFault`: an injected fault of the simulated server, its text form, and which requests it hits.

use std::fmt;
use std::time::Duration;

use crate::error::Refusal;
use crate::seed::{Seed, Stream, open_unit};
use crate::sim::law::write_span;
use crate::units::{Offset, Ratio, parse_duration};

/// One fault, and the share of requests that it hits (all of them unless `@10%` follows).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InjectedFault {
    kind: Kind,
    share: Ratio,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Status(u16),
    Refuse,
    Cut(u32),
    Drop(u32),
    Reset(u32),
    Stall { from: Duration, length: Duration },
    Hang,
    NeverEnds,
    Error(u32),
    Malformed(u32),
    Garbage,
    Split,
    SlowFirstByte(Duration),
    Coalesce(u32),
    Reasoning(u32),
    NoRole,
    NoUsage,
    NoDone,
    Empty,
}

impl InjectedFault {
    /// Every form with its effect, for help and for refusals. `N` counts tokens.
    pub const FORMS: &[(&str, &str)] = &[
        ("status:CODE", "answers with this status, 400 to 599 (429 and 503 with Retry-After: 1)"),
        (
            "refuse",
            "accepts the connection and resets it at once (to get a refused connection, use a port without a listener)",
        ),
        ("cut:N", "ends the response properly after N tokens, without finish reason and [DONE]"),
        ("drop:N", "closes the connection (FIN) after N tokens, inside the response"),
        ("reset:N", "resets the connection (RST) after N tokens"),
        (
            "stall:AT,FOR",
            "at AT after the start the whole server stops writing tokens for FOR, then writes them all (stall:10s,2s)",
        ),
        ("hang", "takes the request and never answers"),
        ("never-ends", "sends tokens until the client leaves"),
        ("error:N", "an error object inside the stream after N tokens, status 200"),
        ("malformed:N", "an event that is not JSON after N tokens, then continues"),
        ("garbage", "answers with bytes that are not HTTP"),
        ("split", "splits writes at odd places: inside UTF-8 and CRLF; adds comments and events of several data lines"),
        ("slow-first-byte:TIME", "delays the whole response, including its head, by TIME"),
        ("coalesce:N", "N tokens per event, at the instant of the last one"),
        ("reasoning:N", "the first N tokens as reasoning_content"),
        ("no-role", "no role event at the start"),
        ("no-usage", "no usage even when asked for"),
        ("no-done", "no [DONE]"),
        ("empty", "a valid response without a token"),
    ];

    fn refuse(why: String) -> Refusal {
        let forms: Vec<&str> = Self::FORMS.iter().map(|(form, _)| *form).collect();
        Refusal::new(why, format!("accepted is {}; each may end in @10% (share of requests)", forms.join(", ")))
    }
}

impl std::str::FromStr for InjectedFault {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (body, share) = match text.trim().split_once('@') {
            Some((body, share)) => (body.trim(), share.trim().parse::<Ratio>()?),
            None => (text.trim(), Ratio::new(1.0)?),
        };
        let (name, value) = match body.split_once(':') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (body, None),
        };
        let lacks = || Self::refuse(format!("`{name}` lacks its value"));
        let count = || -> Result<u32, Refusal> {
            let value = value.ok_or_else(lacks)?;
            value.parse().map_err(|_| Self::refuse(format!("`{value}` is not a number of tokens")))
        };
        let plain = |kind: Kind| match value {
            Some(value) => Err(Self::refuse(format!("`{name}` takes no value, but has `{value}`"))),
            None => Ok(kind),
        };
        let kind = match name {
            "status" => {
                let value = value.ok_or_else(lacks)?;
                let code = value.parse().ok().filter(|code| (400..=599).contains(code));
                Kind::Status(code.ok_or_else(|| Self::refuse(format!("`{value}` is not a status from 400 to 599")))?)
            }
            "refuse" => plain(Kind::Refuse)?,
            "cut" => Kind::Cut(count()?),
            "drop" => Kind::Drop(count()?),
            "reset" => Kind::Reset(count()?),
            "stall" => {
                let (from, length) = value.ok_or_else(lacks)?.split_once(',').ok_or_else(lacks)?;
                Kind::Stall { from: parse_duration(from)?, length: parse_duration(length)? }
            }
            "hang" => plain(Kind::Hang)?,
            "never-ends" => plain(Kind::NeverEnds)?,
            "error" => Kind::Error(count()?),
            "malformed" => Kind::Malformed(count()?),
            "garbage" => plain(Kind::Garbage)?,
            "split" => plain(Kind::Split)?,
            "slow-first-byte" => Kind::SlowFirstByte(parse_duration(value.ok_or_else(lacks)?)?),
            "coalesce" => match count()? {
                0 => return Err(Self::refuse("an event needs at least 1 token".to_owned())),
                tokens => Kind::Coalesce(tokens),
            },
            "reasoning" => Kind::Reasoning(count()?),
            "no-role" => plain(Kind::NoRole)?,
            "no-usage" => plain(Kind::NoUsage)?,
            "no-done" => plain(Kind::NoDone)?,
            "empty" => plain(Kind::Empty)?,
            _ => return Err(Self::refuse(format!("`{name}` is not a fault"))),
        };
        if matches!(kind, Kind::Stall { .. }) && share.share() < 1.0 {
            return Err(Self::refuse("a stall stops the whole server, so it takes no share of requests".to_owned()));
        }
        Ok(Self { kind, share })
    }
}

impl fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Status(code) => write!(f, "status:{code}"),
            Kind::Refuse => f.write_str("refuse"),
            Kind::Cut(tokens) => write!(f, "cut:{tokens}"),
            Kind::Drop(tokens) => write!(f, "drop:{tokens}"),
            Kind::Reset(tokens) => write!(f, "reset:{tokens}"),
            Kind::Stall { from, length } => {
                f.write_str("stall:")?;
                write_span(f, from)?;
                f.write_str(",")?;
                write_span(f, length)
            }
            Kind::Hang => f.write_str("hang"),
            Kind::NeverEnds => f.write_str("never-ends"),
            Kind::Error(tokens) => write!(f, "error:{tokens}"),
            Kind::Malformed(tokens) => write!(f, "malformed:{tokens}"),
            Kind::Garbage => f.write_str("garbage"),
            Kind::Split => f.write_str("split"),
            Kind::SlowFirstByte(delay) => {
                f.write_str("slow-first-byte:")?;
                write_span(f, delay)
            }
            Kind::Coalesce(tokens) => write!(f, "coalesce:{tokens}"),
            Kind::Reasoning(tokens) => write!(f, "reasoning:{tokens}"),
            Kind::NoRole => f.write_str("no-role"),
            Kind::NoUsage => f.write_str("no-usage"),
            Kind::NoDone => f.write_str("no-done"),
            Kind::Empty => f.write_str("empty"),
        }?;
        if self.share.share() < 1.0 { write!(f, "@{}", self.share) } else { Ok(()) }
    }
}

/// All faults of a server. Whether a fault hits request n depends only on the seed, the fault's place in the list,
/// and n.
#[derive(Clone, Default)]
pub(super) struct Faults {
    dice: Vec<(InjectedFault, Stream)>,
    stalls: Vec<(Offset, Offset)>,
}

impl Faults {
    pub(super) fn new(faults: &[InjectedFault], seed: Seed) -> Self {
        let dice =
            faults.iter().enumerate().map(|(place, fault)| (*fault, seed.stream(&format!("faults/{place}")))).collect();
        let stalls = faults.iter().filter_map(|fault| match fault.kind {
            Kind::Stall { from, length } => Some((Offset::from(from), Offset::from(from).plus(length))),
            _ => None,
        });
        let mut stalls: Vec<_> = stalls.collect();
        stalls.sort_unstable();
        Self { dice, stalls }
    }

    /// When a write planned for `at` really goes out: at `at`, or at the end of the stall that holds it.
    pub(super) fn held(&self, at: Offset) -> Offset {
        self.stalls.iter().fold(at, |at, (from, until)| if *from <= at && at < *until { *until } else { at })
    }

    fn strikes(share: Ratio, stream: &Stream, number: u64) -> bool {
        share.share() >= 1.0 || open_unit(&mut stream.at(number)) < share.share()
    }

    /// Whether connection `number` is reset at once.
    pub(super) fn refuses(&self, number: u64) -> bool {
        self.dice.iter().any(|(fault, stream)| fault.kind == Kind::Refuse && Self::strikes(fault.share, stream, number))
    }

    /// The faults of request `number`. Of several faults that exclude each other, the first in the list wins.
    pub(super) fn fate(&self, number: u64) -> Fate {
        let mut fate = Fate::default();
        for (fault, stream) in &self.dice {
            if !Self::strikes(fault.share, stream, number) {
                continue;
            }
            let mut instead = |answer: Instead| fate.instead = fate.instead.take().or(Some(answer));
            let mut breaks = |after: u32, how: Break| fate.breaks = fate.breaks.take().or(Some((after, how)));
            match fault.kind {
                Kind::Status(code) => instead(Instead::Status(code)),
                Kind::Hang => instead(Instead::Nothing),
                Kind::Garbage => instead(Instead::Garbage),
                Kind::Cut(after) => breaks(after, Break::Cut),
                Kind::Drop(after) => breaks(after, Break::Drop),
                Kind::Reset(after) => breaks(after, Break::Reset),
                Kind::Error(after) => breaks(after, Break::Error),
                Kind::Malformed(after) => breaks(after, Break::Malformed),
                Kind::NeverEnds => fate.never_ends = true,
                Kind::Split => fate.split = true,
                Kind::SlowFirstByte(delay) => fate.delay = delay,
                Kind::Coalesce(tokens) => fate.tokens_per_event = tokens,
                Kind::Reasoning(tokens) => fate.reasoning = tokens,
                Kind::NoRole => fate.no_role = true,
                Kind::NoUsage => fate.no_usage = true,
                Kind::NoDone => fate.no_done = true,
                Kind::Empty => fate.empty = true,
                // These concern the connection and the clock, not one request.
                Kind::Refuse | Kind::Stall { .. } => {}
            }
        }
        fate
    }
}

/// The faults of one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fate {
    pub(super) instead: Option<Instead>,
    /// How the response breaks, and after how many tokens.
    pub(super) breaks: Option<(u32, Break)>,
    pub(super) never_ends: bool,
    pub(super) split: bool,
    pub(super) delay: Duration,
    pub(super) tokens_per_event: u32,
    pub(super) reasoning: u32,
    pub(super) no_role: bool,
    pub(super) no_usage: bool,
    pub(super) no_done: bool,
    pub(super) empty: bool,
}

/// What replaces the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instead {
    Status(u16),
    Nothing,
    Garbage,
}

/// How a response breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    Cut,
    Drop,
    Reset,
    Error,
    Malformed,
}

impl Default for Fate {
    fn default() -> Self {
        Self {
            instead: None,
            breaks: None,
            never_ends: false,
            split: false,
            delay: Duration::ZERO,
            tokens_per_event: 1,
            reasoning: 0,
            no_role: false,
            no_usage: false,
            no_done: false,
            empty: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_in_the_help_is_read_and_written_back() {
        for (form, _) in InjectedFault::FORMS {
            let text =
                form.replace("CODE", "429").replace("AT,FOR", "10s,500ms").replace("TIME", "5s").replace('N', "3");
            assert_eq!(text.parse::<InjectedFault>().map(|fault| fault.to_string()), Ok(text.clone()), "{form}");
        }
        assert_eq!(
            "status:500@10%".parse::<InjectedFault>().map(|fault| fault.to_string()).as_deref(),
            Ok("status:500@10%")
        );
    }

    #[test]
    fn a_fault_that_cannot_be_is_refused_with_the_list() {
        for text in [
            "",
            "explode",
            "status",
            "status:200",
            "cut",
            "cut:x",
            "cut:-1",
            "hang:3",
            "stall:5s",
            "coalesce:0",
            "hang@200%",
            "stall:1s,1s@5%",
        ] {
            assert!(text.parse::<InjectedFault>().is_err(), "{text}");
        }
        assert!("explode".parse::<InjectedFault>().unwrap_err().accepted.contains("slow-first-byte:TIME"));
    }

    #[test]
    fn a_share_strikes_that_share_of_requests_and_always_the_same_ones() {
        let faults = ["status:500@10%".parse().unwrap()];
        let struck = |seed: u64| -> Vec<u64> {
            let faults = Faults::new(&faults, Seed::new(seed));
            (0..10_000).filter(|number| faults.fate(*number).instead.is_some()).collect()
        };
        assert!((900..1_100).contains(&struck(1).len()), "{}", struck(1).len());
        assert_eq!(struck(1), struck(1));
        assert_ne!(struck(1), struck(2));
    }

    #[test]
    fn a_stall_holds_what_falls_into_it_until_its_end() {
        let faults = Faults::new(&["stall:2s,1s".parse().unwrap()], Seed::new(1));
        for (at, held) in [(1.9, 1.9), (2.0, 3.0), (2.999, 3.0), (3.0, 3.0)] {
            assert_eq!(faults.held(Offset::from_secs(at)), Offset::from_secs(held));
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(status|cut|stall|hang|coalesce|slow-first-byte)?[:@,%a-z0-9. ]*") {
            if let Ok(fault) = text.parse::<InjectedFault>() {
                prop_assert_eq!(fault.to_string().parse::<InjectedFault>(), Ok(fault));
            }
        }
    }
}
