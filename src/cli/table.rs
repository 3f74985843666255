//! Owns the table of options: one row for each option with special rules (storing, resuming, rivals, refusals).

/// Verbs that take the options of `run` but set some of them themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Playing {
    Replay,
    Sweep,
    Search,
}
use Playing::{Replay, Search, Sweep};

/// The rules for one option.
#[derive(Debug)]
pub(super) struct OptionRow {
    /// Name of the option, which is its key in a configuration.
    pub(super) key: &'static str,
    /// Whether the option is stored with the result. Options on where the result goes or how it is shown are not.
    pub(super) kept: bool,
    /// Whether the option may be given with `--resume`, because it does not change what is measured.
    pub(super) resumable: bool,
    /// Whether the option is about a recorded trace.
    of_a_trace: bool,
    /// Other keys of a file that the option replaces when it is typed, because they set the same thing.
    pub(super) rivals: &'static [&'static str],
    /// The verbs that set this themselves and refuse the option, each with what to do instead.
    refused: &'static [(Playing, &'static str)],
}

const fn row(key: &'static str) -> OptionRow {
    OptionRow { key, kept: true, resumable: false, of_a_trace: false, rivals: &[], refused: &[] }
}

impl OptionRow {
    const fn not_kept(self) -> Self {
        Self { kept: false, ..self }
    }

    const fn resumable(self) -> Self {
        Self { resumable: true, ..self }
    }

    const fn of_a_trace(self) -> Self {
        Self { of_a_trace: true, ..self }
    }

    const fn rivals(self, rivals: &'static [&'static str]) -> Self {
        Self { rivals, ..self }
    }

    const fn refused(self, refused: &'static [(Playing, &'static str)]) -> Self {
        Self { refused, ..self }
    }
}

/// What to do with a data set in a replay.
const NO_DATA: &str = "drop it; the trace brings the length of each request";

/// What to do with shared prefixes in a replay.
const NO_PREFIX: &str = "drop it; the trace brings the prefixes of its requests";

/// The options of what prompts share.
pub(super) const PREFIX_KEYS: [&str; 7] =
    ["cache-hit", "no-prime", "prefix-groups", "prefix-popularity", "prefix-tokens", "prime", "system-tokens"];
/// What to do with synthetic sessions in a replay.
const NO_SESSIONS: &str = "drop it; the trace brings its sessions, and --think after-completion releases their turns";

/// What to do with cancellations in a sweep or a search.
pub(super) const NO_CANCELLATIONS: &str =
    "drop it; saturation is told by what completes of what was sent, and a cancelled request never does";

/// Every option that differs from the usual rules: stored, without rivals, refused by no verb.
const TABLE: &[OptionRow] = &[
    row("api-key").resumable(),
    row("api-key-age").resumable(),
    row("api-key-command").resumable(),
    row("api-key-file").resumable(),
    row("budget").resumable(),
    row("cache-hit").rivals(&["prefix-tokens", "system-tokens"]).refused(&[(Replay, NO_PREFIX)]),
    row("cancel").refused(&[(Sweep, NO_CANCELLATIONS), (Search, NO_CANCELLATIONS)]),
    row("certificate").resumable(),
    row("client-cert").resumable(),
    row("client-key").resumable(),
    row("columns").of_a_trace(),
    row("concurrency").rivals(&["points", "max-rate", "rates", "process", "quota"]),
    row("config").not_kept(),
    row("content").rivals(&["dataset"]),
    row("cooldown").refused(&[
        (Replay, "drop it; the trace has no load of its own after its last row"),
        (Search, "drop it; the search goes on sending while what it measures is followed"),
    ]),
    row("dataset").rivals(&["input-tokens", "content", "mix"]).refused(&[(Replay, NO_DATA)]),
    row("dataset-columns").refused(&[(Replay, NO_DATA)]),
    row("dataset-format").refused(&[(Replay, NO_DATA)]),
    row("dataset-order").refused(&[(Replay, NO_DATA)]),
    row("delimiter").of_a_trace(),
    row("duration").rivals(&["requests"]).refused(&[
        (Replay, "drop it; --window 0s..300s takes a span of trace time"),
        (Search, "drop it; the search chooses how long each probe is, and --budget bounds them all"),
    ]),
    row("export").not_kept(),
    row("force").not_kept(),
    row("format").of_a_trace(),
    row("gap-cap").of_a_trace(),
    row("header").resumable(),
    row("help").not_kept(),
    row("host-metrics").resumable(),
    row("http1").rivals(&["http2"]),
    row("http2").rivals(&["http1"]),
    row("input-tokens")
        .rivals(&["dataset"])
        .refused(&[(Replay, "drop it; the trace brings the length of each request")]),
    row("json").not_kept().resumable(),
    row("load")
        .rivals(&["rate", "process", "profile", "overlay", "quota", "turns", "think-time", "replies", "sessions"])
        .refused(&[
            (
                Replay,
                "drop it; a closed loop has no instants, and a trace is nothing else: `tonnage run --load` is one",
            ),
            (Sweep, "drop it; --concurrency 1,50,100 plays closed loops, and `tonnage run --load` plays one"),
            (Search, "drop it; --over concurrency searches closed loops, and `tonnage run --load` plays one"),
        ]),
    row("loop").of_a_trace(),
    row("max-in-flight").refused(&[(
        Search,
        "drop it; an overload ends its probe by itself, and what would be shed would look like one",
    )]),
    row("max-input").of_a_trace(),
    row("max-rate").rivals(&["rates", "concurrency"]),
    row("meet").not_kept(),
    row("meet-timeout").not_kept(),
    row("mix").rivals(&["dataset", "slo"]).refused(&[(Replay, "drop it; the trace brings the requests")]),
    row("no-certificate").resumable(),
    row("no-preflight").resumable(),
    row("no-prime").rivals(&["prime"]).refused(&[
        (Replay, NO_PREFIX),
        (Sweep, "drop it; the loads share their prefixes, so every load but the first would be primed"),
        (Search, "drop it; the loads share their prefixes, so every load but the first would be primed"),
    ]),
    row("on-empty").of_a_trace(),
    row("out").not_kept(),
    row("output-tokens").refused(&[(Replay, "drop it; the trace brings the length of each request")]),
    row("overlay").rivals(&["load"]).refused(&[
        (Sweep, "drop it; each load of a sweep has one rate, and `tonnage run --overlay` plays one that varies"),
        (Search, "drop it; each probe has one rate, and `tonnage run --overlay` plays one that varies"),
    ]),
    row("plan-only")
        .not_kept()
        .refused(&[(Search, "drop it; `tonnage replay --plan-only` shows what a pass would send")]),
    row("points").rivals(&["rates", "concurrency"]),
    row("prefix-groups").refused(&[(Replay, NO_PREFIX)]),
    row("prefix-popularity").refused(&[(Replay, NO_PREFIX)]),
    row("prefix-tokens").rivals(&["cache-hit"]).refused(&[(Replay, NO_PREFIX)]),
    row("prime").rivals(&["no-prime"]).refused(&[(Replay, NO_PREFIX)]),
    row("process").rivals(&["load"]).refused(&[(Replay, "drop it; `tonnage run` draws arrivals by a law")]),
    row("profile").rivals(&["load", "rate"]).refused(&[
        (Replay, "drop it; the rate over time is the trace's, and --overlay 'sine amp=50% period=60s' bends it"),
        (Sweep, "drop it; each load of a sweep has one rate, and `tonnage run --profile` plays one that varies"),
        (Search, "drop it; each probe has one rate, and `tonnage run --profile` plays one that varies"),
    ]),
    row("quiet").not_kept().resumable(),
    row("quota").rivals(&["load"]).refused(&[(Search, "drop it; --max-rate bounds what is sent")]),
    row("rate").rivals(&["load", "profile"]).refused(&[
        (Replay, "drop it; --rate-scale 2 is twice the rate, --time-scale 2 twice as fast"),
        (Sweep, "drop it; --rates 1,2,4.5 names the rates, --max-rate bounds them, and `tonnage run --rate` plays one"),
        (
            Search,
            "drop it; --min-rate and --max-rate bound the rate that is searched for, and `tonnage run --rate` plays \
             one",
        ),
    ]),
    row("rate-scale").of_a_trace(),
    row("rates").rivals(&["points", "max-rate", "concurrency"]),
    row("replies").refused(&[(Replay, NO_SESSIONS)]),
    row("requests").rivals(&["duration"]).refused(&[
        (Replay, "drop it; --window 0s..300s takes a span of trace time"),
        (Sweep, "drop it; --duration is the window of each load"),
        (Search, "drop it; the search chooses how long each probe is, and --budget 50000 bounds them all"),
    ]),
    row("reset-cache").resumable(),
    row("resume").not_kept().resumable(),
    row("sample").of_a_trace(),
    row("secret-header").resumable(),
    row("segment").of_a_trace(),
    row("server-metrics").resumable(),
    row("session-rate").of_a_trace(),
    row("sessions").rivals(&["turns"]).refused(&[(Replay, NO_SESSIONS)]),
    row("shard").refused(&[
        (Sweep, "drop it; the loads of a sweep follow from one another, so one machine plays them all"),
        (Search, "drop it; the probes of a search follow from one another, so one machine plays them all"),
    ]),
    row("shards").not_kept(),
    row("show-sample").not_kept().resumable(),
    row("sim").rivals(&["target"]),
    row("spread").of_a_trace(),
    row("start-at")
        .not_kept()
        .refused(&[(Sweep, "drop it; a sweep begins at once"), (Search, "drop it; a search begins at once")]),
    row("system-tokens").rivals(&["cache-hit"]).refused(&[(Replay, NO_PREFIX)]),
    row("target").rivals(&["sim"]),
    row("think").refused(&[(
        Search,
        "drop it; every turn stands at its recorded instant, as what waits for answers gives way to a slow service",
    )]),
    row("think-time").refused(&[(Replay, NO_SESSIONS)]),
    row("time-scale").refused(&[(
        Search,
        "drop it; --over time-scale searches for it, and `tonnage replay --time-scale` plays one",
    )]),
    row("time-unit").of_a_trace(),
    row("turns").rivals(&["sessions"]).refused(&[(Replay, NO_SESSIONS)]),
    row("version").not_kept(),
    row("warmup").refused(&[
        (Replay, "drop it; the trace has no load of its own before its first row"),
        (Search, "drop it; the search discards what comes before the service is steady"),
    ]),
    row("window").of_a_trace(),
];

const USUAL: OptionRow = row("");

/// The rules for the option `key`.
pub(super) fn row_of(key: &str) -> &'static OptionRow {
    TABLE.iter().find(|row| row.key == key).unwrap_or(&USUAL)
}

/// The options that `verb` sets itself and refuses, each with what to do instead.
pub(super) fn refused_by(verb: Playing) -> Vec<(&'static str, &'static str)> {
    let of = |row: &'static OptionRow| Some((row.key, row.refused.iter().find(|(other, _)| *other == verb)?.1));
    TABLE.iter().filter_map(of).collect()
}

/// The options about a recorded trace.
pub(super) fn of_a_trace() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|row| row.of_a_trace).map(|row| row.key)
}

/// The typed option, by `is_typed`, that replaces `key` of a file; `None` without one.
pub(super) fn rival_of(key: &str, is_typed: impl Fn(&str) -> bool) -> Option<&'static str> {
    TABLE.iter().find(|row| row.rivals.contains(&key) && is_typed(row.key)).map(|row| row.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_of_an_option_and_stands_once_in_order() {
        let command = crate::cli::arguments::Arguments::definition();
        let keys: Vec<&str> =
            command.get_subcommands().flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_long).collect();
        for row in TABLE {
            let known = |key: &&str| keys.contains(key) || ["help", "version"].contains(key);
            assert!(known(&row.key) && row.rivals.iter().all(known), "{row:?}");
        }
        let unknown: Vec<_> = crate::report::NAMED_BELOW.iter().filter(|name| !keys.contains(name)).collect();
        assert!(unknown.is_empty(), "options that messages below `report` name: {unknown:?}");
        assert!(TABLE.windows(2).all(|pair| pair[0].key < pair[1].key), "in the order of the alphabet, each once");
    }
}
