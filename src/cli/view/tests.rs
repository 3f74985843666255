//! Owns the tests of the pages: snapshots of runs, sweeps and searches on three sizes of screen, at the start, in the
//! middle, at the end and on failure.

use std::fmt::Write as _;
use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use crate::cli::view::curve::{Curve, CurvePoint, Mark};
use crate::cli::view::news::{Beat, Begin, News, Seen};
use crate::cli::view::page;
use crate::cli::view::state::{Head, State};
use crate::metrics::{Course, Objectives, Tally, Value};
use crate::play::LiveCounts;
use crate::report::Ink;
use crate::units::{Offset, Window};

const SIZES: [[u16; 2]; 3] = [[60, 20], [80, 24], [160, 50]];

fn at(seconds: f64) -> Offset {
    Offset::from_secs(seconds)
}

fn state(verb: &str) -> State {
    State::new(Head {
        verb: verb.to_owned(),
        target: "http://127.0.0.1:8000  llama-8b".to_owned(),
        is_simulated: verb != "run",
    })
}

/// A load of 20 requests a second for 30 s, 5 s of which are warm-up.
fn begin(label: &str, slo: &[&str]) -> Begin {
    Begin {
        label: label.to_owned(),
        words: "open loop, 20.0/s poisson".to_owned(),
        level: Some(20.0),
        window: Window { start: at(5.0), end: at(30.0) },
        load_end: at(30.0),
        requests: None,
        is_closed: false,
        streamed: true,
        objectives: Arc::new(Objectives::parse(slo, None, None).unwrap()),
    }
}

/// The load from its beginning to `until_s`: each request takes about a second, ever longer; from `broken_s` on all of
/// them fail.
fn play(state: &mut State, begin: Begin, until_s: f64, broken_s: f64) {
    let objectives = begin.objectives.items().len();
    state.fold(News::Begins(Box::new(begin), None));
    let ms = |ms: u64| Value::Defined(ms * 1_000_000);
    let (mut completed, mut missed, mut cohort, mut good) = (0, 0, 0, 0);
    for tenth in 1..=(until_s * 10.0) as u64 {
        let now_s = tenth as f64 / 10.0;
        // Requests that were planned a second ago end now.
        for half in 0..2 {
            let scheduled_s = now_s - 1.0 + f64::from(half) * 0.05;
            if !(0.0..30.0).contains(&scheduled_s) {
                continue;
            }
            let fails = now_s >= broken_s;
            let values = if fails {
                [Value::Miss, Value::Miss, Value::Miss, Value::Defined(80_000)]
            } else {
                [ms(40 + 3 * tenth), ms(20), ms(900 + tenth), Value::Defined(60_000 + 1_000 * (tenth % 40))]
            };
            completed += u64::from(!fails);
            missed += u64::from(fails);
            cohort += u64::from(scheduled_s >= 5.0);
            good += u64::from(scheduled_s >= 5.0 && !fails && tenth < 200);
            let failure = fails.then(|| match completed {
                _ if tenth % 3 == 0 => ("status_503".to_owned(), "overloaded: try again\nlater".to_owned()),
                _ => ("connect".to_owned(), "Connection refused (os error 111)".to_owned()),
            });
            let (scheduled, ended) = (at(scheduled_s), at(now_s));
            state.fold(News::Settled(Box::new(Seen { scheduled, ended, values, completed: !fails, failure })));
        }
        let sent = (tenth * 2).min(600);
        let tally = Tally { met: good, misses: cohort - good, ..Tally::default() };
        state.fold(News::Beat(Box::new(Beat {
            counts: LiveCounts {
                elapsed: at(now_s),
                due: sent,
                sent,
                completed,
                missed,
                in_flight: sent - completed - missed,
            },
            planned: sent,
            tallies: vec![tally; objectives],
            good,
            cohort,
        })));
    }
}

/// A chart with this many loads.
fn curve(loads: usize, is_search: bool) -> Curve {
    let levels = [2.0, 40.0, 20.0, 30.0, 25.0, 28.0];
    let point = |level: f64| CurvePoint {
        level,
        latency_s: Some(0.05 / (1.0 - (level / 45.0)).max(0.01)),
        mark: match level {
            2.0 if !is_search => Mark::Loop,
            ..26.0 => Mark::Good,
            26.0..29.0 => Mark::Open,
            _ => Mark::Bad,
        },
    };
    let points: Vec<CurvePoint> = levels[..loads].iter().map(|level| point(*level)).collect();
    let known = loads > 3;
    Curve {
        figure: "p99 ttft".to_owned(),
        axis: "requests/s".to_owned(),
        is_of_loops: false,
        signs: if is_search { ["meets", "misses", "undecided"] } else { ["stable", "saturated", "undecided"] },
        limit_s: is_search.then_some(0.2),
        bracket: if known { [Some(25.0), Some(30.0)] } else { [None, None] },
        best: (known && is_search).then_some(27.4),
        words: if known { "25.0 to 30.0/s".to_owned() } else { String::new() },
        points,
    }
}

/// The pages of a verb at the start, in the middle, at the end and on failure.
fn pages(verb: &str) -> Vec<(&'static str, State)> {
    let slo = ["p99 ttft<=100ms", "p99 tpot<=50ms", "error_rate<=1%"];
    let (label, loads) = match verb {
        "run" => ("", [None; 4]),
        "sweep" => ("3/10 20.0/s · ", [Some(0), Some(3), Some(6), Some(3)]),
        _ => ("20.0/s · 25.0–30.0/s (±9 %), about 3:10 left · ", [Some(0), Some(4), Some(6), Some(4)]),
    };
    let moments = [("start", 0.1, 1e9), ("middle", 17.0, 1e9), ("end", 30.4, 1e9), ("failure", 21.0, 15.0)];
    let page = |((name, until_s, broken_s), loads): ((&'static str, f64, f64), Option<usize>)| {
        let mut state = state(verb);
        let objectives: &[&str] = if verb == "sweep" { &[] } else { &slo };
        if let Some(loads) = loads {
            state.fold(News::Learnt(Box::new(curve(loads, verb == "search"))));
            (0..loads).for_each(|load| state.fold(News::Said(format!("load {load}: 12.3/s done, p99 ttft 45.6 ms"))));
        }
        play(&mut state, begin(label, objectives), until_s, broken_s);
        if name == "failure" {
            state.missed = 1_234;
        }
        (name, state)
    };
    moments.into_iter().zip(loads).map(page).collect()
}

fn drawn(state: &State, ink: Ink, is_explained: bool, [width, height]: [u16; 2]) -> Buffer {
    let mut screen = Terminal::new(TestBackend::new(width, height)).unwrap();
    screen
        .draw(|frame| {
            let area = frame.area();
            page::draw(state, ink, is_explained, area, frame.buffer_mut());
        })
        .unwrap();
    screen.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

/// The text of the pages of `verb` on each size of screen.
fn shown(verb: &str) {
    for size in SIZES {
        let mut all = String::new();
        for (name, state) in pages(verb) {
            write!(all, "── {name} ──\n{}", text(&drawn(&state, Ink::Plain, false, size))).unwrap();
        }
        insta::assert_snapshot!(format!("{verb}_{}x{}", size[0], size[1]), all);
    }
}

#[test]
fn a_run_on_three_screens() {
    shown("run");
}

#[test]
fn a_sweep_on_three_screens() {
    shown("sweep");
}

#[test]
fn a_search_on_three_screens() {
    shown("search");
}

#[test]
fn question_mark_explains() {
    let (_, state) = pages("search").remove(1);
    insta::assert_snapshot!("explained_60x20", text(&drawn(&state, Ink::Plain, true, [60, 20])));
}

#[test]
fn colour_changes_no_text_and_no_colour_is_needed() {
    for (_, state) in ["run", "sweep", "search"].into_iter().flat_map(pages) {
        let [plain, colour] = [Ink::Plain, Ink::Colour].map(|ink| drawn(&state, ink, false, [160, 50]));
        assert_eq!(text(&plain), text(&colour));
        let is_coloured =
            |buffer: &Buffer| buffer.content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        assert!(!is_coloured(&plain));
    }
    let (_, failing) = pages("run").remove(3);
    assert!(drawn(&failing, Ink::Colour, false, [80, 24]).content.iter().any(|cell| cell.fg == Color::Red));
}

#[test]
fn every_size_of_screen_has_a_page() {
    for (_, state) in ["run", "sweep", "search"].into_iter().flat_map(pages) {
        for (width, height) in [1, 9, 55, 56, 60, 80, 119, 120, 121, 160, 200, 300]
            .into_iter()
            .flat_map(|width| [1, 2, 13, 14, 15, 20, 24, 50, 120].into_iter().map(move |height| (width, height)))
        {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
            page::draw(&state, Ink::Colour, false, buffer.area, &mut buffer);
            page::draw(&state, Ink::Colour, true, buffer.area, &mut buffer);
            let fits = width >= 56 && height >= 14;
            assert_eq!(text(&buffer).contains("Ctrl-C"), fits, "{width} × {height}");
        }
    }
}

#[test]
fn a_server_cannot_write_to_the_screen() {
    let mut state = state("run");
    play(&mut state, begin("", &[]), 2.0, 1e9);
    let words = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nfine".to_owned();
    state.fold(News::Settled(Box::new(Seen {
        scheduled: at(1.0),
        ended: at(2.0),
        values: [Value::Miss; 4],
        completed: false,
        failure: Some(("status_500".to_owned(), words)),
    })));
    let shown = text(&drawn(&state, Ink::Plain, false, [80, 24]));
    assert!(shown.contains("status_500: ") && shown.contains("fine"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown}");
}

#[test]
fn a_window_that_moves_and_a_stop_change_the_phase() {
    let mut state = state("search");
    let moved = Begin { load_end: Offset::NEVER, ..begin("20.0/s · ", &[]) };
    play(&mut state, moved, 4.0, 1e9);
    let phase = |state: &State| state.load.as_ref().unwrap().phase().name();
    assert_eq!(phase(&state), "warm-up");
    state.fold(News::Turned(Course::OpenAt(at(3.9)), at(3.9)));
    assert_eq!(phase(&state), "measuring");
    state.fold(News::Turned(Course::Close, at(4.0)));
    assert_eq!(phase(&state), "cool-down");
    state.fold(News::Turned(Course::Stop, at(4.0)));
    assert_eq!(phase(&state), "draining");
}
