//! Owns the changes to the rows taken from a trace, in this order: spread ties, cut silences, sample, loop, scale the
//! rate. Every draw comes from the seed, every row left out or added is counted, and every change is reported.

use std::fmt;
use std::time::Duration;

use rand_chacha::rand_core::Rng;

use crate::error::Refusal;
use crate::seed::{Seed, Stream, open_unit};
use crate::trace::rows::sort;
use crate::trace::spacing::{Counts, Gaps, natural_length, tick_of};
use crate::trace::{RemovalReason, Row, Selection, Sessions, Trace};
use crate::units::{Offset, count, seconds};

/// The factor on the rate over the same duration. Below 1 rows are left out, above 1 copies of rows are added.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct RateScale(f64);

impl RateScale {
    /// The recorded rate.
    pub const ONE: Self = Self(1.0);

    /// The factor.
    #[must_use]
    pub const fn factor(self) -> f64 {
        self.0
    }
}

impl std::str::FromStr for RateScale {
    type Err = Refusal;

    /// Reads a factor from 0.001 to 1000: `0.3`, `2.5`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let factor = text.trim().parse().ok().filter(|factor| (1e-3..=1e3).contains(factor));
        factor.map(Self).ok_or_else(|| {
            Refusal::new(format!("`{text}` is not a rate scale"), "accepted is 0.001 to 1000 (2 is twice the rate)")
        })
    }
}

impl fmt::Display for RateScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The size of a random sample of a trace. The sample consists of rows; where rows have sessions, of whole sessions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// Take each row or session with this probability.
    Share(f64),
    /// Take this many rows or sessions.
    Number(u64),
}

impl std::str::FromStr for Sample {
    type Err = Refusal;

    /// Reads a share, such as `0.1` or `10%`, or a number, such as `500`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let refuse = || {
            Refusal::new(
                format!("`{text}` is not a sample"),
                "accepted is a share, as in 0.1 or 10%, or a number, as in 500",
            )
        };
        if let Some(number) = text.parse().ok().filter(|number| *number > 0) {
            return Ok(Self::Number(number));
        }
        let share = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map_err(|_| refuse())? / 100.0,
            None => text.parse().map_err(|_| refuse())?,
        };
        if share > 0.0 && share < 1.0 { Ok(Self::Share(share)) } else { Err(refuse()) }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// How to move apart rows that share an instant because the recorder's clock is coarse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Move the i-th of k rows by i/k of the tick, with i from 0.
    Even,
    /// Move each row by a random part of the tick. Rows of one instant keep the order of the file.
    Random,
}

impl Spread {
    /// The name that users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Random => "random",
        }
    }
}

impl std::str::FromStr for Spread {
    type Err = Refusal;

    /// Reads `even`, `random`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        [Self::Even, Self::Random]
            .into_iter()
            .find(|spread| spread.name() == text.trim())
            .ok_or_else(|| Refusal::new(format!("`{text}` is not a way to spread rows"), "accepted is even or random"))
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The changes to make to the rows taken. By default there are none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reshape {
    /// Maximum gap between rows. Longer gaps are shortened to it. `None`: no maximum.
    pub gap_cap: Option<Duration>,
    /// How to spread rows that share an instant; `None`: they stay.
    pub spread: Option<Spread>,
    /// The sample to take; `None`: all rows.
    pub sample: Option<Sample>,
    /// How many times to repeat the trace, at least 1.
    pub loops: u16,
    /// The factor on the rate.
    pub rate_scale: RateScale,
}

impl Default for Reshape {
    fn default() -> Self {
        Self { gap_cap: None, spread: None, sample: None, loops: 1, rate_scale: RateScale::ONE }
    }
}

/// Maximum length of a load, in seconds: 100 years, about a fifth of what 64 bits of nanoseconds hold.
const MOST_LENGTH_S: f64 = 100.0 * 31_557_600.0;

impl Selection {
    /// The selection after `reshape`, drawn from `seed` (streams `spread`, `sample` and `rate_scale`). Refused when
    /// there would be too many rows or the load would last too long. A selection without rows is unchanged.
    pub fn reshape(mut self, reshape: &Reshape, seed: Seed) -> Result<Self, Refusal> {
        if self.trace.rows().is_empty() || *reshape == Reshape::default() {
            return Ok(self);
        }
        let before = Look::of(self.trace.rows(), self.length.unwrap_or_else(|| natural_length(self.trace.rows())));
        // Spread before gaps are cut, because the tick is a property of the recorded times.
        if let Some(spread) = reshape.spread {
            self.spread(spread, &seed.stream("spread"));
        }
        if let Some(cap) = reshape.gap_cap {
            self.cap_gaps(cap);
        }
        // From here on the length is fixed, whatever rows are left out or added.
        let length = self.length.unwrap_or_else(|| natural_length(self.trace.rows()));
        self.length = Some(length);
        if let Some(sample) = reshape.sample {
            self.sample(sample, &seed.stream("sample"));
        }
        if self.trace.rows().is_empty() {
            return Ok(self);
        }
        let layers = libm::ceil(reshape.rate_scale.0).max(1.0) as u64;
        let (copies, rows) = (u64::from(reshape.loops) * layers, self.trace.rows().len() as u64);
        if copies > u64::from(u16::MAX) || copies.saturating_mul(rows) > Trace::MOST_ROWS {
            let why = format!(
                "{} rows {} times over are more than are held (at most {})",
                count(rows),
                count(copies),
                count(Trace::MOST_ROWS)
            );
            return Err(Refusal::new(
                why,
                "lower the option loop or the option rate-scale, or give the option window or the option sample",
            ));
        }
        if length.as_secs_f64() * f64::from(reshape.loops) > MOST_LENGTH_S {
            let why = format!(
                "{} {} times over is longer than a hundred years",
                seconds(length.as_secs_f64()),
                reshape.loops
            );
            return Err(Refusal::new(why, "lower the option loop, or give the option window"));
        }
        if reshape.loops > 1 {
            self.repeat(reshape.loops, length);
        }
        if reshape.rate_scale != RateScale::ONE {
            self.scale_rate(reshape, &seed.stream("rate_scale"));
        }
        if self.trace.rows().len() > 1 {
            self.changes.push(before.against(&Look::of(self.trace.rows(), self.length.unwrap_or(length))));
        }
        Ok(self)
    }

    fn cap_gaps(&mut self, cap: Duration) {
        let (mut cut, mut number, mut longest) = (0, 0, Duration::ZERO);
        let mut before = self.trace.rows().first().map_or(Offset::ZERO, |row| row.at);
        for row in self.trace.rows_mut() {
            let gap = row.at.since(before);
            before = row.at;
            let over = gap.saturating_sub(cap);
            if !over.is_zero() {
                (cut, number, longest) = (cut + over.as_nanos() as u64, number + 1, longest.max(gap));
            }
            row.at = Offset::from_nanos(row.at.as_nanos() - cut);
        }
        let cut = Duration::from_nanos(cut);
        self.length = self.length.map(|length| length.saturating_sub(cut));
        self.changes.push(match number {
            0 => format!("gap cap {}: no gap is longer", seconds(cap.as_secs_f64())),
            _ => format!(
                "gap cap {}: {} longer gaps (up to {}) cut short, {} of silence removed",
                seconds(cap.as_secs_f64()),
                count(number),
                seconds(longest.as_secs_f64()),
                seconds(cut.as_secs_f64())
            ),
        });
    }

    fn spread(&mut self, spread: Spread, stream: &Stream) {
        let Some(tick) = tick_of(self.trace.rows()) else {
            self.changes.push(format!("spread {spread}: no two rows share an instant, or all do; nothing is spread"));
            return;
        };
        let end_ns = self.length.map_or(u64::MAX, |length| Offset::from(length).as_nanos());
        let rows = self.trace.rows_mut();
        let (mut start, mut moved) = (0, 0);
        while start < rows.len() {
            let at_ns = rows[start].at.as_nanos();
            let end = start + rows[start..].partition_point(|row| row.at.as_nanos() == at_ns);
            let next_ns = rows.get(end).map_or(end_ns, |row| row.at.as_nanos());
            let room = tick.min(next_ns - at_ns);
            let tie = &mut rows[start..end];
            moved += (tie.len() - 1) as u64;
            match spread {
                Spread::Even => {
                    for (place, length) in (0..tie.len()).zip(std::iter::repeat(tie.len() as u128)) {
                        tie[place].at = Offset::from_nanos(at_ns + (u128::from(room) * place as u128 / length) as u64);
                    }
                }
                Spread::Random => {
                    let mut offsets: Vec<u64> = tie
                        .iter()
                        .map(|row| (open_unit(&mut stream.at(u64::from(row.place))) * room as f64) as u64)
                        .collect();
                    offsets.sort_unstable();
                    tie.iter_mut().zip(offsets).for_each(|(row, offset)| row.at = Offset::from_nanos(at_ns + offset));
                }
            }
            start = end;
        }
        let whom = match spread {
            Spread::Even => format!("{} rows that shared an instant moved evenly into their tick", count(moved)),
            Spread::Random => {
                format!("every row moved at random within its tick, {} of them from a shared instant", count(moved))
            }
        };
        self.changes
            .push(format!("spread {spread}: the recorder's clock ticks every {}; {whom}", seconds(tick as f64 / 1e9)));
    }

    fn sample(&mut self, sample: Sample, stream: &Stream) {
        let unit = Unit { sessions: self.trace.sessions().clone() };
        let draw = |row: &Row| stream.at(unit.key(row)).next_u64();
        let most = match sample {
            Sample::Share(share) => (share * 2f64.powi(64)) as u64,
            Sample::Number(number) => {
                let mut draws: Vec<u64> = unit.firsts(self.trace.rows()).map(draw).collect();
                match usize::try_from(number) {
                    Ok(number) if number < draws.len() => *draws.select_nth_unstable(number - 1).1,
                    _ => u64::MAX,
                }
            }
        };
        let kept = self.leave_out(RemovalReason::Sample, |row| draw(row) <= most);
        let what = unit.name();
        self.changes.push(match sample {
            Sample::Share(share) => {
                format!(
                    "sample {share}: each {what} taken with that probability, {} rows in all, over the same time",
                    count(kept)
                )
            }
            Sample::Number(number) => {
                format!(
                    "sample {number}: that many {what}s taken at random, {} rows in all, over the same time",
                    count(kept)
                )
            }
        });
    }

    fn repeat(&mut self, loops: u16, length: Duration) {
        let rows = self.trace.rows_mut();
        let once = rows.len();
        rows.reserve_exact(once * usize::from(loops - 1));
        for turn in 1..loops {
            let later = Duration::from_nanos((length.as_nanos() * u128::from(turn)) as u64);
            for place in 0..once {
                rows.push(Row { at: rows[place].at.plus(later), copy: turn, ..rows[place] });
            }
        }
        self.copies += (once * usize::from(loops - 1)) as u64;
        self.length = Some(length * u32::from(loops));
        self.changes.push(format!(
            "loop {loops}: sent {loops} times, {} apart ({}){}",
            seconds(length.as_secs_f64()),
            if self.window.is_some() { "the window" } else { "the span and one mean gap" },
            self.own("each time with")
        ));
    }

    fn scale_rate(&mut self, reshape: &Reshape, stream: &Stream) {
        let (scale, length) = (reshape.rate_scale.0, self.length.unwrap_or_default());
        let unit = Unit { sessions: self.trace.sessions().clone() };
        let keeps = |row: &Row, chance: f64| open_unit(&mut stream.at(unit.key(row))) < chance;
        if scale < 1.0 {
            let kept = self.leave_out(RemovalReason::RateScale, |row| keeps(row, scale));
            self.changes.push(format!(
                "rate scale {scale}: thinned, each {} kept with probability {scale}, {} rows, over the same time",
                unit.name(),
                count(kept)
            ));
            return;
        }
        let whole = scale as u16;
        let chance = scale - f64::from(whole);
        let layers = whole + u16::from(chance > 0.0);
        let rows = self.trace.rows_mut();
        let once = rows.len();
        rows.reserve_exact(once * usize::from(whole - 1) + (once as f64 * chance) as usize);
        let step_ns = length.as_nanos() as u64 / once as u64 / u64::from(layers);
        let length_ns = length.as_nanos() as u64;
        for layer in 1..layers {
            for place in 0..once {
                let copy = Row { copy: rows[place].copy + layer * reshape.loops, ..rows[place] };
                if layer < whole || keeps(&copy, chance) {
                    // A copy shifted past the end wraps around to the start, as if the load were repeated in a loop.
                    let at_ns = (copy.at.as_nanos() + u64::from(layer) * step_ns) % length_ns.max(1);
                    rows.push(Row { at: Offset::from_nanos(at_ns), ..copy });
                }
            }
        }
        let added = (rows.len() - once) as u64;
        sort(rows);
        self.copies += added;
        let copies = match (layers - 1, chance > 0.0) {
            (1, false) => "one copy".to_owned(),
            (1, true) => format!("one copy, thinned to {chance:.3},"),
            (number, false) => format!("{number} copies"),
            (number, true) => format!("{number} copies, the last thinned to {chance:.3},"),
        };
        self.changes.push(format!(
            "rate scale {scale}: {copies} laid over the trace, each {} after the previous one, {} rows added over the \
             same time{}; gaps below one mean gap come from the copies, peaks over longer windows from the trace",
            seconds(step_ns as f64 / 1e9),
            count(added),
            self.own("each with")
        ));
    }

    /// The phrase, after `with`, for the prefixes and sessions that each copy has of its own. Empty when rows have
    /// neither.
    fn own(&self, with: &str) -> String {
        match (self.trace.blocks().is_empty(), self.trace.sessions().number() == 0) {
            (true, true) => String::new(),
            (false, true) => format!(", {with} prefixes of its own"),
            (true, false) => format!(", {with} sessions of its own"),
            (false, false) => format!(", {with} prefixes and sessions of its own"),
        }
    }

    /// Leaves out the rows that `keep` does not keep, for `reason`. Returns the number of rows left.
    fn leave_out(&mut self, reason: RemovalReason, keep: impl Fn(&Row) -> bool) -> u64 {
        let mut out = (0, 0);
        self.trace.rows_mut().retain(|row| {
            let kept = keep(row);
            if !kept {
                if row.copy == 0 { out.0 += 1 } else { out.1 += 1 }
            }
            kept
        });
        // A copy that is left out again counts as never added.
        self.copies -= out.1;
        if out.0 > 0 {
            *self.dropped.entry(reason).or_insert(0) += out.0;
        }
        self.trace.rows().len() as u64
    }
}

/// The unit of a random draw: the session of a row, so that its turns stay together, or the row itself when it has no
/// session.
struct Unit {
    sessions: Sessions,
}

impl Unit {
    fn key(&self, row: &Row) -> u64 {
        let within = self.sessions.of(row.place).map_or(u64::from(row.place), |session| 1 << 32 | u64::from(session));
        u64::from(row.copy) << 33 | within
    }

    fn name(&self) -> &'static str {
        if self.sessions.number() > 0 { "session" } else { "row" }
    }

    /// The first row of each unit.
    fn firsts<'a>(&'a self, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> {
        let mut seen = vec![false; self.sessions.number() as usize];
        rows.iter().filter(move |row| match self.sessions.of(row.place) {
            Some(session) => !std::mem::replace(&mut seen[session as usize], true),
            None => true,
        })
    }
}

/// The statistics that a change of rows may affect.
struct Look {
    /// Rows per second.
    rate_per_s: f64,
    /// Coefficient of variation of the gaps.
    cv: Option<f64>,
    /// Dispersion of the row counts in windows of 1 s.
    dispersion: f64,
    /// Peak over 60 s ÷ mean rate; `None` for a load shorter than two minutes, in which a minute is no peak.
    peak_60s: Option<f64>,
}

impl Look {
    /// The statistics of `rows` over `length`, from which the plan computes its rate too.
    fn of(rows: &[Row], length: Duration) -> Self {
        let length_s = length.as_secs_f64();
        let rate_per_s = rows.len() as f64 / length_s;
        let peak_60s = (length_s >= 120.0).then(|| Counts::of(rows, 60).most as f64 / 60.0 / rate_per_s);
        Self { rate_per_s, cv: Gaps::of(rows).cv, dispersion: Counts::of(rows, 1).dispersion, peak_60s }
    }

    fn against(&self, after: &Self) -> String {
        let figure = |figure: Option<f64>| figure.map_or_else(|| "—".to_owned(), |figure| format!("{figure:.2}"));
        let peaks = self
            .peak_60s
            .zip(after.peak_60s)
            .map_or_else(String::new, |(before, after)| format!(", peak to mean over 60 s {before:.2} to {after:.2}"));
        format!(
            "which changed: rate {:.3}/s to {:.3}/s, coefficient of variation of the gaps {} to {}, dispersion over 1 \
             s {:.2} to {:.2}{}",
            self.rate_per_s,
            after.rate_per_s,
            figure(self.cv),
            figure(after.cv),
            self.dispersion,
            after.dispersion,
            peaks
        )
    }
}
