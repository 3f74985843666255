//! Owns the page of a fleet in HTML: the answer, replicas, cost, demand, the check by simulation, and what it rests on.

use maud::{Markup, html};
use serde_json::Value;

use crate::report::chart::{Axis, Chart, Form, Kind, Point};
use crate::report::fleet::{
    check_load, check_table, check_whose, classes, costs, facts, missed, money, peaks, rates, title as title_of,
};
use crate::report::html::course::plain_axis;
use crate::report::html::embedded::{PLACE, block};
use crate::report::html::parts::{Page, Tile};
use crate::report::html::shell::shell;
use crate::report::text::{Lang, Text};
use crate::report::worded::{assumptions_of, notes_of_check, notes_of_fleet};
use crate::report::words::{charts, page as words};
use crate::results::tool;
use crate::sizing::{Burst, CheckView, Fleet};
use crate::units::{count, pace, seconds};

/// The page of `fleet` in HTML. `json` is the fleet, which the page carries.
pub(crate) fn render_fleet_html(fleet: &Fleet, json: &Value, lang: Lang) -> String {
    let page = Page::new(lang);
    let title = words::FLEET_FOR.with([Text::data(pace(fleet.demand_per_s))]);
    let header = html! {
        h1 { (title.of(lang)) }
        p.sub { (fleet.demand.source) }
        (page.simulated(fleet.choices.iter().any(|choice| choice.simulated)))
        (page.sentences_are_english())
    };
    let main = content(&page, fleet);
    let title = format!("{} · tonnage", title.of(lang));
    shell(&page, &tool(), &title, (&header, &main), words::HOLDS_FLEET).into_string().replace(PLACE, &block(json))
}

/// The burst that the fleet does not cover.
fn uncovered(fleet: &Fleet) -> Option<&Burst> {
    fleet.demand.burst.as_ref().filter(|burst| burst.rate_per_s > fleet.carried_per_s())
}

fn content(page: &Page, fleet: &Fleet) -> Markup {
    let missed = fleet.check.as_ref().and_then(missed);
    let burst = uncovered(fleet)
        .map(|burst| words::NOT_COVERED.with([pace(burst.rate_per_s), seconds(burst.length_s)].map(Text::data)));
    let tone = if missed.is_some() {
        "answer bad"
    } else if burst.is_some() || !fleet.certified {
        "answer unsure"
    } else {
        "answer good"
    };
    let (notes, assumptions) = (notes_of_fleet(fleet), assumptions_of(fleet));
    html! {
        section class=(tone) aria-label=(page.say(words::ANSWER)) {
            p.lead { (page.english(&format!("{}.", title_of(fleet)))) }
            ul {
                @if !fleet.certified { li { (page.say(words::UNCERTIFIED)) } }
                @if let Some(burst) = &burst { li { (burst.of(page.lang)) } }
                @if let Some(missed) = &missed { li { (page.english(missed)) } }
                @for (name, text) in facts(fleet) { li { (page.cell(name)) ": " (page.english(&text)) } }
            }
        }
        (page.tiles(&key_figures(fleet)))
        (page.section(words::REPLICAS, &html! {
            (page.named_table(&rates(fleet), words::T_FLEET))
            @let classes = classes(fleet);
            @if !classes.is_empty() { (page.named_table(&classes, words::T_CLASSES)) }
        }))
        @let costs = costs(fleet);
        @if !costs.is_empty() { (page.section(words::COSTS, &page.named_table(&costs, words::COSTS))) }
        @let peaks = peaks(fleet);
        @if !peaks.is_empty() {
            (page.section(words::DEMAND, &html! {
                (page.figure(&demand(fleet)))
                (page.table(&peaks, words::DEMAND))
            }))
        }
        @if let Some(check) = &fleet.check { (page.section(words::CHECKED, &checked(page, check))) }
        @if !notes.is_empty() { (page.section(words::TO_KNOW, &page.sentences(&notes))) }
        @if !assumptions.is_empty() { (page.section(words::RESTS_ON, &page.sentences(&assumptions))) }
    }
}

fn key_figures(fleet: &Fleet) -> Vec<Tile> {
    let demand = words::R_OF_DEMAND.with([Text::data(pace(fleet.demand_per_s))]);
    let mut tiles = vec![
        (words::K_REPLICAS, count(fleet.replicas), Text::default()),
        (words::K_GPUS, count(fleet.gpus), Text::default()),
        (words::K_CARRIED, pace(fleet.carried_per_s()), demand),
    ];
    if let Some((hour, month)) = fleet.cost_per_hour.zip(fleet.cost_per_month) {
        tiles.push((words::K_HOUR, money(hour), Text::default()));
        tiles.push((words::K_MONTH, money(month), Text::default()));
    }
    tiles
}

/// The peak of the demand over windows of several lengths, and what the fleet carries.
fn demand(fleet: &Fleet) -> Chart {
    let across = Axis { name: charts::WINDOW_AXIS.into(), kind: Kind::Log, show: seconds };
    let points = fleet.demand.curve.iter().map(|point| Point::at(point.window_s, Some(point.peak_per_s)));
    let carried = fleet.carried_per_s();
    Chart::new(charts::DEMAND_TITLE, charts::DEMAND_TOLD, across, plain_axis(charts::RATE_AXIS))
        .series(charts::HIGHEST_RATE, Form::MarkedLine, points.collect())
        .level(charts::CARRIED.with([Text::data(pace(carried))]), carried)
}

fn checked(page: &Page, check: &CheckView) -> Markup {
    html! {
        p { (page.english(&check_load(check))) }
        (page.table(&check_table(check), words::CHECKED))
        p.note { (page.english(&check_whose(check))) }
        (page.sentences(&notes_of_check(check)))
    }
}
