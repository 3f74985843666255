//! Owns the reading of a pool of clients, as `ServeGen` publishes them: a folder with `chunk-N-trace.csv` (windows of
//! one client's rate and burstiness) and `chunk-N-dataset.json` (its lengths).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::trace::number::{MOST_TOKENS, shown};
use crate::units::Window;

/// Maximum size of one file of a pool, in bytes (256 MiB). The largest published one has 5 MB.
const MOST_BYTES: u64 = 256 << 20;

/// The clients of a folder. Each sends requests of its own law; the load is all of them together.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientPool {
    clients: Vec<PoolClient>,
    /// Windows of all clients in which requests are sent.
    windows: u64,
    /// From 0 to the end of the last window, in seconds.
    span_s: f64,
    /// Whether answers have a part of reasoning, whose share is not read.
    has_reasoning: bool,
}

/// One client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PoolClient {
    /// The number in the names of its files.
    pub(crate) number: u64,
    /// The windows in which it sends requests, in order of time.
    pub(crate) windows: Vec<PoolWindow>,
    /// Its lengths, each from an instant on, in order of time.
    lengths: Vec<(u64, PoolLengths)>,
}

/// A window of one client: requests at a rate, with gaps of a law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PoolWindow {
    /// Its start and end in seconds.
    pub(crate) start_s: u64,
    pub(crate) end_s: u64,
    /// Requests per second, above 0.
    pub(crate) rate_per_s: f64,
    /// The law of the gaps between requests.
    pub(crate) gaps: PoolGaps,
}

/// The law of gaps, with its shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PoolGaps {
    Gamma(f64),
    Weibull(f64),
}

/// The lengths of one client for some time.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct PoolLengths {
    pub(crate) input: TokenShares,
    pub(crate) output: TokenShares,
}

/// The distribution of tokens: pairs of a share and a length, where that share of the requests has at most that length.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TokenShares {
    up_to: Vec<(f64, u32)>,
}

impl ClientPool {
    /// Whether `path` is a folder, which may hold a pool and is no trace.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        path.is_dir()
    }

    /// Reads the pool in `folder`, as far as it concerns `span`. Refused with the file and line of what cannot be read.
    pub fn read(folder: &Path, span: Option<Window>) -> Result<Self, Error> {
        let mut pool = Self { clients: Vec::new(), windows: 0, span_s: 0.0, has_reasoning: false };
        let mut all_s = 0;
        for (number, trace) in traces_in(folder)? {
            let text = text_of(&trace)?;
            let mut windows = windows_of(&text).map_err(|(line, why)| Error::input_at(&trace, line, why))?;
            all_s = all_s.max(windows.iter().map(|window| window.end_s).max().unwrap_or(0));
            windows.retain(|window| window.rate_per_s > 0.0 && span.is_none_or(|span| is_inside(window, span)));
            if windows.is_empty() {
                continue;
            }
            let path = folder.join(format!("chunk-{number}-dataset.json"));
            let lengths = pool.lengths_of(&path, &windows)?;
            pool.windows += windows.len() as u64;
            pool.clients.push(PoolClient { number, windows, lengths });
        }
        pool.span_s = all_s as f64;
        Ok(pool)
    }

    /// The clients that send requests, by their numbers.
    pub(crate) fn clients(&self) -> &[PoolClient] {
        &self.clients
    }

    /// From 0 to the end of the last window, in seconds.
    #[must_use]
    pub fn span_s(&self) -> f64 {
        self.span_s
    }

    /// The number of clients, and of their windows in which requests are sent.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        (self.clients.len() as u64, self.windows)
    }

    /// Whether answers have a part of reasoning, whose share is not read.
    #[must_use]
    pub fn has_reasoning(&self) -> bool {
        self.has_reasoning
    }

    /// The requests that all clients together send from `start_s` to `end_s` on average.
    #[must_use]
    pub fn expected(&self, start_s: f64, end_s: f64) -> f64 {
        let windows = self.clients.iter().flat_map(|client| &client.windows);
        windows.map(|window| window.rate_per_s * overlap_s(window, start_s, end_s)).sum()
    }

    /// The lengths of the client of the file `path` that its `windows` need.
    fn lengths_of(&mut self, path: &Path, windows: &[PoolWindow]) -> Result<Vec<(u64, PoolLengths)>, Error> {
        let text = text_of(path)?;
        let refuse = |why: String| Error::input(path, why);
        let read: BTreeMap<Cow<'_, str>, HashMap<Cow<'_, str>, Cow<'_, str>>> =
            serde_json::from_str(&text).map_err(|why| {
                refuse(format!("is no set of lengths ({why}); an entry is {{\"0\": {{\"input_tokens\": …}}}}"))
            })?;
        let mut starts = Vec::with_capacity(read.len());
        for (start, fields) in &read {
            let start_s: u64 =
                start.parse().map_err(|_| refuse(format!("has the start `{}`, no number of seconds", shown(start))))?;
            starts.push((start_s, fields));
        }
        starts.sort_by_key(|(start_s, _)| *start_s);
        let (first_s, last_s) =
            (windows.first().map_or(0, |window| window.start_s), windows.last().map_or(0, |window| window.end_s));
        let mut lengths = Vec::new();
        for (start_s, fields) in starts {
            if start_s >= last_s && !lengths.is_empty() {
                break;
            }
            self.has_reasoning |= fields.contains_key("reason_ratio");
            let of = |key: &str| {
                let there = || {
                    let mut keys: Vec<&str> = fields.keys().map(AsRef::as_ref).collect();
                    keys.sort_unstable();
                    keys.join(", ")
                };
                let text = fields.get(key).ok_or_else(|| {
                    refuse(format!(
                        "has no {key} at {start_s} s; it has {}: only pools of input_tokens and output_tokens are \
                         read, not those of images, audio and video",
                        there()
                    ))
                })?;
                TokenShares::read(text).map_err(|why| refuse(format!("has in {key} at {start_s} s {why}")))
            };
            let (input, output) = (of("input_tokens")?, of("output_tokens")?);
            if input.up_to.is_empty() || output.up_to.is_empty() {
                continue;
            }
            if start_s <= first_s {
                lengths.clear();
            }
            lengths.push((start_s, PoolLengths { input, output }));
        }
        if lengths.is_empty() {
            let why = "has no lengths, and the client sends requests; remove both of its files";
            return Err(refuse(why.to_owned()));
        }
        Ok(lengths)
    }
}

impl PoolClient {
    /// The lengths that are in force at `at_s`: the latest that began by then, else the first.
    pub(crate) fn lengths_at(&self, at_s: u64) -> &PoolLengths {
        let begun = self.lengths.partition_point(|(start_s, _)| *start_s <= at_s);
        &self.lengths[begun.saturating_sub(1)].1
    }
}

impl TokenShares {
    /// Reads `{81: 0.25, 90: 0.75}`, which is Python and no JSON. Shares need not add up to exactly 1.
    fn read(text: &str) -> Result<Self, String> {
        let inner = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let inner = inner.ok_or_else(|| format!("`{}`, and no {{tokens: share, …}}", shown(text)))?;
        let mut shares = Vec::new();
        for pair in inner.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let read = pair.split_once(':').and_then(|(tokens, share)| {
                let tokens = tokens.trim().parse::<u32>().ok().filter(|tokens| *tokens <= MOST_TOKENS)?;
                let share = share.trim().parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share))?;
                Some((tokens, share))
            });
            shares.push(read.ok_or_else(|| format!("`{}`, and no number of tokens with its share", shown(pair)))?);
        }
        shares.sort_by_key(|(tokens, _)| *tokens);
        let total: f64 = shares.iter().map(|(_, share)| share).sum();
        if !shares.is_empty() && !(0.99..=1.01).contains(&total) {
            return Err(format!("shares that add up to {total:.3}, not to 1"));
        }
        let mut reached = 0.0;
        let up_to = shares.into_iter().filter(|(_, share)| *share > 0.0).map(|(tokens, share)| {
            reached += share / total;
            (reached, tokens)
        });
        Ok(Self { up_to: up_to.collect() })
    }

    /// The tokens at the share `at`, from 0 to 1, of the distribution.
    pub(crate) fn quantile(&self, at: f64) -> u32 {
        let place = self.up_to.partition_point(|(reached, _)| *reached < at);
        self.up_to.get(place).or(self.up_to.last()).map_or(0, |(_, tokens)| *tokens)
    }
}

/// The trace files of `folder`, each with the number of its client, in the order of the numbers.
fn traces_in(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let refuse = |why: String| Error::input(folder, why);
    let entries = fs::read_dir(folder).map_err(|why| refuse(format!("cannot be read: {why}; check the path")))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    let number = |name: &str| name.strip_prefix("chunk-")?.strip_suffix("-trace.csv")?.parse::<u64>().ok();
    let mut traces: Vec<(u64, PathBuf)> =
        names.iter().filter_map(|name| Some((number(name)?, folder.join(name)))).collect();
    traces.sort_unstable();
    if traces.is_empty() {
        let some: Vec<String> = names.iter().take(5).map(|name| shown(name)).collect();
        let there = if some.is_empty() { "nothing".to_owned() } else { some.join(", ") };
        return Err(refuse(format!(
            "is a folder without chunk-0-trace.csv (it has {there}); give a trace, or a folder of ServeGen's clients"
        )));
    }
    Ok(traces)
}

fn text_of(path: &Path) -> Result<String, Error> {
    let refuse = |why: String| Error::input(path, why);
    let bytes =
        fs::metadata(path).map_err(|why| refuse(format!("cannot be read: {why}; each client has two files")))?;
    if bytes.len() > MOST_BYTES {
        return Err(refuse("is larger than 256 MiB, unlike any pool of clients".to_owned()));
    }
    let bytes = fs::read(path).map_err(|why| refuse(format!("cannot be read: {why}; check the file")))?;
    String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text; check the file".to_owned()))
}

/// The windows of one client, without a header: start in seconds, rate, CV, law, its shape and its scale. The CV and
/// the scale are those that were measured; the load has the shape, and the mean gap of the rate. The error has a line.
fn windows_of(text: &str) -> Result<Vec<PoolWindow>, (u64, String)> {
    /// Seconds of the last window, whose end no line gives.
    const USUAL_S: u64 = 600;
    let mut rows: Vec<(u64, f64, PoolGaps)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let refuse = |why: String| (number, why);
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [start, rate, _, law, shape, _] = fields[..] else {
            let why = format!("has {} fields, and a window has 6: start, rate, CV, law, shape, scale", fields.len());
            return Err(refuse(why));
        };
        let start_s = start.parse::<u64>().ok().filter(|start_s| *start_s < 1 << 32);
        let start_s =
            start_s.ok_or_else(|| refuse(format!("has the start `{}`, no whole number of seconds", shown(start))))?;
        if rows.last().is_some_and(|(before_s, ..)| *before_s >= start_s) {
            return Err(refuse(format!("starts at {start_s} s, not after the window before it; sort the windows")));
        }
        let rate_per_s = rate.parse::<f64>().ok().filter(|rate| (0.0..=1e9).contains(rate));
        let rate_per_s =
            rate_per_s.ok_or_else(|| refuse(format!("has the rate `{}`, no number per second", shown(rate))))?;
        let shape = shape.parse::<f64>().ok().filter(|shape| shape.is_finite() && *shape > 0.0);
        let gaps = match (law, shape) {
            ("Gamma", Some(shape)) => PoolGaps::Gamma(shape),
            ("Weibull", Some(shape)) => PoolGaps::Weibull(shape),
            // Nothing was sent.
            ("", _) => {
                rows.push((start_s, 0.0, PoolGaps::Gamma(1.0)));
                continue;
            }
            _ => {
                let why = format!("has the law `{}`, and no Gamma or Weibull with a shape above 0", shown(law));
                return Err(refuse(why));
            }
        };
        rows.push((start_s, rate_per_s, gaps));
    }
    let ends = rows.iter().skip(1).map(|(start_s, ..)| Some(*start_s)).chain([None]);
    let windows = rows.iter().zip(ends).map(|((start_s, rate_per_s, gaps), end_s)| {
        let end_s = end_s.unwrap_or(start_s + USUAL_S);
        PoolWindow { start_s: *start_s, end_s, rate_per_s: *rate_per_s, gaps: *gaps }
    });
    Ok(windows.collect())
}

fn is_inside(window: &PoolWindow, span: Window) -> bool {
    overlap_s(window, span.start.as_secs(), span.end.as_secs()) > 0.0
}

fn overlap_s(window: &PoolWindow, start_s: f64, end_s: f64) -> f64 {
    ((window.end_s as f64).min(end_s) - (window.start_s as f64).max(start_s)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_their_rate_and_law_and_idle_ones_have_none() {
        let text = "0,1.5,2,Gamma,0.25,6\r\n600,0,0,,0,0\r\n1200,0.5,2,Weibull,0.5,1\r\n";
        let windows = windows_of(text).unwrap();
        let of = |start_s, end_s, rate_per_s, gaps| PoolWindow { start_s, end_s, rate_per_s, gaps };
        assert_eq!(
            windows,
            [
                of(0, 600, 1.5, PoolGaps::Gamma(0.25)),
                of(600, 1200, 0.0, PoolGaps::Gamma(1.0)),
                of(1200, 1800, 0.5, PoolGaps::Weibull(0.5))
            ]
        );
        for (text, line, words) in [
            ("0,1,1,Gamma,1,1\n\n1,2\n", 3, "has 2 fields, and a window has 6"),
            ("x,1,1,Gamma,1,1\n", 1, "has the start `x`"),
            ("0,1,1,Gamma,1,1\n0,1,1,Gamma,1,1\n", 2, "starts at 0 s, not after"),
            ("0,-1,1,Gamma,1,1\n", 1, "has the rate `-1`"),
            ("0,1,1,Pareto,1,1\n", 1, "has the law `Pareto`"),
            ("0,1,1,Gamma,0,1\n", 1, "a shape above 0"),
            ("0,nan,1,Gamma,1,1\n", 1, "has the rate `nan`"),
        ] {
            let (found, why) = windows_of(text).unwrap_err();
            assert!(found == line && why.contains(words), "{text}: {found} {why}");
        }
    }

    #[test]
    fn shares_of_tokens_are_a_distribution() {
        let shares = TokenShares::read("{90: 0.5, 81: 0.25,7: 0.0, 200: 0.25}").unwrap();
        let quantiles = [0.0, 0.25, 0.2501, 0.75, 0.76, 1.0].map(|at| shares.quantile(at));
        assert_eq!(quantiles, [81, 81, 90, 90, 200, 200]);
        assert!(TokenShares::read("{}").unwrap().up_to.is_empty());
        for (text, words) in [
            ("[1]", "and no {tokens: share"),
            ("{1: x}", "`1: x`, and no number"),
            ("{1: 0.5}", "add up to 0.500"),
            ("{-1: 1}", "`-1: 1`"),
        ] {
            let why = TokenShares::read(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
