//! Owns the text on a fleet: number of replicas, reasons, cost and assumptions; at most 80 columns. The HTML page has
//! the same facts and tables.

use std::fmt::Write as _;

use crate::metrics::VerdictResult;
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::percent;
use crate::report::sentences::formula;
use crate::report::worded::{assumptions_of, notes_of_check, notes_of_fleet};
use crate::sizing::{CheckView, ChoiceView, Evidence, Fleet, StretchView};
use crate::units::{Rate, count, cut_to, pace, per_second, seconds};

const UNKNOWN: &str = "—";
/// The longest name in the tables, in columns, so that they fit 80 columns.
const NAME: usize = 16;

/// The text that `size` prints.
#[must_use]
pub(crate) fn render_fleet(fleet: &Fleet, ink: Ink) -> String {
    let title = title(fleet);
    let mut text = ink.paint(Tone::Heading, &wrapped(&title, WIDTH, 0)) + "\n";
    if fleet.choices.iter().any(|choice| choice.simulated) {
        text.push_str(
            &ink.paint(Tone::Warning, "SIMULATED: these figures describe a simulated server, not a real machine."),
        );
        text.push('\n');
    }
    if !fleet.certified {
        text.push_str(&ink.paint(Tone::Warning, "UNCERTIFIED: the rate of a replica has no confidence interval."));
        text.push('\n');
    }
    if let Some(burst) = fleet.demand.burst.filter(|burst| burst.rate_per_s > fleet.carried_per_s()) {
        let what = format!(
            "NOT COVERED: bursts of {} for {}, see `to know` below",
            pace(burst.rate_per_s),
            seconds(burst.length_s)
        );
        text.push_str(&ink.paint(Tone::Warning, &wrapped(&what, WIDTH, 0)));
        text.push('\n');
    }
    if let Some(missed) = fleet.check.as_ref().and_then(missed) {
        text.push_str(&ink.paint(Tone::Warning, &wrapped(&missed, WIDTH, 0)));
        text.push('\n');
    }
    // Writing to a string cannot fail.
    for (name, value) in facts(fleet) {
        _ = writeln!(text, "{name:<12}{}", wrapped(&value, WIDTH, 12));
    }
    for grid in [rates(fleet), classes(fleet), costs(fleet), peaks(fleet)] {
        if !grid.is_empty() {
            text.push('\n');
            text.push_str(&grid.render(ink));
        }
    }
    if let Some(check) = &fleet.check {
        text.push_str(&checked(check, ink));
    }
    for (heading, lines) in [("to know", notes_of_fleet(fleet)), ("rests on", assumptions_of(fleet))] {
        _ = writeln!(text, "\n{}", ink.paint(Tone::Heading, heading));
        for line in lines {
            _ = writeln!(text, "  - {}", wrapped(&line, WIDTH, 4));
        }
    }
    text
}

/// The answer: how many replicas for which demand.
pub(super) fn title(fleet: &Fleet) -> String {
    let plural = |number: u64, what: &str| format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" });
    let mixed: Vec<String> = fleet
        .choices
        .iter()
        .filter(|choice| choice.replicas > 0 && fleet.choices.len() > 1)
        .map(|choice| format!("{} × {}", count(choice.replicas), choice.name))
        .collect();
    let of = if mixed.is_empty() { String::new() } else { format!(": {}", mixed.join(" + ")) };
    let (replicas, gpus) = (plural(fleet.replicas, "replica"), plural(fleet.gpus, "GPU"));
    format!("{replicas} ({gpus}) for {}{of}", pace(fleet.demand_per_s))
}

/// What the answer rests on, by name.
pub(super) fn facts(fleet: &Fleet) -> Vec<(&'static str, String)> {
    let grown = fleet.demand.growth.map_or_else(String::new, |growth| format!(", times {growth}"));
    let mut demand = format!("{} ({}{grown})", pace(fleet.demand_per_s), fleet.demand.source);
    if let (Some(window_s), Some(mean)) = (fleet.demand.window_s, fleet.demand.mean_per_s) {
        demand = format!("{demand}, the peak over {}; {} on average", seconds(window_s), pace(mean));
    }
    let [most, least] = fleet.interval.map(|replicas| replicas.map_or_else(|| UNKNOWN.to_owned(), count));
    let mut facts = vec![
        ("demand", demand),
        ("formula", formula(fleet)),
        ("to carry", format!("{} without headroom and spares", count(fleet.replicas_to_carry))),
    ];
    let mut kinds = fleet.choices.iter().filter(|choice| choice.replicas > 0);
    if fleet.certified {
        let best = count(fleet.replicas_at_best);
        facts.push((
            "replicas",
            format!("{least} by the lower bound of the rate, {best} by the best estimate, {most} by the upper bound"),
        ));
    } else if kinds.any(|choice| choice.capacity.evidence != Evidence::Stated) {
        facts.push((
            "replicas",
            format!("{least} by the largest rate that met the objectives, {most} by the next measured rate"),
        ));
    }
    if let Some((hour, month)) = fleet.cost_per_hour.zip(fleet.cost_per_month) {
        facts.push(("cost", format!("{} an hour, {} a month", money(hour), money(month))));
    }
    facts
}

/// The sentence on a check that fails under random routing; `None` if it does not fail.
pub(super) fn missed(check: &CheckView) -> Option<String> {
    let random = check.policies.first().filter(|policy| policy.result == VerdictResult::Fail)?;
    let good =
        random.attainment.map_or_else(String::new, |share| format!(", {:.2}% of requests are good", share * 100.0));
    let fewest = random.least_replicas.map_or_else(
        || "; many more replicas would not meet them either".to_owned(),
        |least| format!("; {} would meet them", count(least)),
    );
    let replicas = match check.replicas {
        1 => "1 simulated replica misses".to_owned(),
        many => format!("{} simulated replicas miss", count(many)),
    };
    Some(format!("MISSED IN THE CHECK: {replicas} the objectives under {} routing{good}{fewest}", random.routing))
}

/// The text of an amount of money: whole units from 10 000 up, cents from 1 up, four significant digits below 1.
pub(super) fn money(amount: f64) -> String {
    if amount >= 10_000.0 {
        return count(amount.round() as u64);
    }
    if amount >= 1.0 || amount <= 0.0 {
        return format!("{amount:.2}");
    }
    let digits = (3.0 - libm::floor(libm::log10(amount))).clamp(0.0, 12.0) as usize;
    format!("{amount:.digits$}")
}

fn name_of(choice: &ChoiceView) -> String {
    cut_to(&choice.name, NAME).into_owned()
}

/// The demand of each class of the mix, and what a replica and the fleet carry of it.
pub(super) fn classes(fleet: &Fleet) -> Grid {
    let mut grid = Grid::new(&["class", "share", "demand", "sized by", "fleet carries"]);
    let mut row = |name: &str, share: f64, [demand, carried]: [f64; 2], replica: Option<f64>| {
        let replica = replica.map_or_else(|| UNKNOWN.to_owned(), per_second);
        let cells = [cut_to(name, NAME).into_owned(), percent(share), per_second(demand), replica, per_second(carried)];
        grid.row(cells.into());
    };
    for class in &fleet.classes {
        row(&class.name, class.share, [class.demand_per_s, class.carried_per_s], class.per_replica_rate_per_s);
    }
    if !fleet.classes.is_empty() {
        row("all", 1.0, [fleet.demand_per_s, fleet.carried_per_s()], fleet.per_replica_rate_per_s);
    }
    grid
}

/// The kinds of replica, a row each.
pub(super) fn rates(fleet: &Fleet) -> Grid {
    let mut grid = Grid::new(&["replica", "sized by", "best", "upper", "in fleet", "stock", "alone", "cost/h alone"]);
    let show = |known: Option<String>| known.unwrap_or_else(|| UNKNOWN.to_owned());
    for choice in &fleet.choices {
        let rate = choice.capacity.rate_per_s;
        let per_s = |rate: Rate| per_second(rate.per_s());
        grid.row(vec![
            name_of(choice),
            per_s(rate.low()),
            per_s(rate.best()),
            show(rate.high().map(per_s)),
            count(choice.replicas),
            show(choice.stock.map(count)),
            show(choice.replicas_alone.map(count)),
            show(choice.alone_cost_per_hour.map(money)),
        ]);
    }
    grid
}

/// What work costs on each kind of replica.
pub(super) fn costs(fleet: &Fleet) -> Grid {
    let mut grid = Grid::new(&["cost at the SLO rate", "1 000 requests", "1 000 good", "10⁶ output tokens"]);
    for (choice, cost) in fleet.choices.iter().filter_map(|choice| Some((choice, choice.at_slo_rate?))) {
        let show = |known: Option<f64>| known.map_or_else(|| UNKNOWN.to_owned(), money);
        // The cost of one request has too few digits, so the cost of 1 000 is shown.
        let thousand = |known: Option<f64>| show(known.map(|one| 1_000.0 * one));
        let row =
            [thousand(Some(cost.per_request)), thousand(cost.per_good_request), show(cost.per_million_output_tokens)];
        grid.row(std::iter::once(name_of(choice)).chain(row).collect());
    }
    grid
}

/// The results of the check against simulated replicas.
fn checked(check: &CheckView, ink: Ink) -> String {
    let heading = ink.paint(Tone::Heading, "checked by simulation");
    let mut text = format!("\n{heading}\n  {}\n\n", wrapped(&check_load(check), WIDTH, 2));
    text.push_str(&check_table(check).render(ink));
    for note in notes_of_check(check) {
        text.push_str(&wrapped(&format!("note: {note}"), WIDTH, 2));
        text.push('\n');
    }
    text.push_str(&ink.paint(Tone::Warning, &wrapped(&check_whose(check), WIDTH, 0)));
    text.push('\n');
    text
}

/// What the check sent, and against what.
pub(super) fn check_load(check: &CheckView) -> String {
    let CheckView { profile, rate_per_s, process, requests_like, seed, .. } = check;
    let objectives = check.objectives.join(", ");
    let what = match &check.stretch {
        Some(StretchView { requests, length_s, whole }) => {
            let part = if *whole { "the whole demand" } else { "the demand around its peak" };
            format!(
                "{part} as it comes: {} requests in {}, at the peak {},",
                count(*requests),
                seconds(*length_s),
                pace(*rate_per_s)
            )
        }
        None => pace(*rate_per_s),
    };
    format!(
        "{what} {process} of {requests_like} (seed {seed}) against replicas of the simulated {profile}: {objectives}; \
         the table gives the fewest replicas that meet it"
    )
}

/// That the check says nothing about the server that was measured.
pub(super) fn check_whose(check: &CheckView) -> String {
    format!("this describes the simulated {}, not the server that was measured", check.profile)
}

/// The result of each routing policy.
pub(super) fn check_table(check: &CheckView) -> Grid {
    let at = format!("{} replicas", count(check.replicas));
    let mut grid = Grid::new(&["routing", &at, "good there", "fewest", "each carries", "pooling gain"]);
    for policy in &check.policies {
        let show = |known: Option<String>| known.unwrap_or_else(|| UNKNOWN.to_owned());
        let result = match policy.result {
            VerdictResult::Pass => "meet it",
            VerdictResult::Fail => "miss it",
            VerdictResult::None | VerdictResult::Inconclusive => "undecided",
        };
        grid.row(vec![
            policy.routing.to_owned(),
            result.to_owned(),
            show(policy.attainment.map(|share| format!("{:.2}%", share * 100.0))),
            show(policy.least_replicas.map(count)),
            show(policy.least_replicas.map(|least| per_second(check.rate_per_s / least as f64))),
            show(policy.pooling_gain.map(|gain| format!("{:+.0}%", gain * 100.0))),
        ]);
    }
    grid
}

/// The peak of the demand over windows of several lengths.
pub(super) fn peaks(fleet: &Fleet) -> Grid {
    let mut grid = Grid::new(&["demand over", "highest rate", "times the mean"]);
    for point in &fleet.demand.curve {
        grid.row(vec![seconds(point.window_s), pace(point.peak_per_s), format!("{:.2}", point.peak_to_mean)]);
    }
    grid
}
