//! Owns the tests of the endpoints against the simulated server: every endpoint gives the same true latencies and
//! counts.

use std::rc::Rc;
use std::time::Duration;

use tonnage::client::{
    Addresses, Client, Departure, Encoder, Endpoint, HttpClient, LengthField, ReceiveClock, RequestOptions, Target, Tls,
};
use tonnage::clock::{Pacing, RunClock};
use tonnage::record::{Exchange, FailureClass, Outcome, Usage};
use tonnage::sim::{MODEL_NAME, Options, Server, listen_at};
use tonnage::workload::estimate_text;

use super::{class, paused, spec};

/// The exchange of one request for eight tokens to a simulated server with `fault` ("" for none).
fn asked(endpoint: Endpoint, fault: &str, adjust: impl FnOnce(&mut RequestOptions)) -> Exchange {
    paused(async {
        let faults = if fault.is_empty() { Vec::new() } else { vec![fault.parse().unwrap()] };
        let profile = "delay:ttft=20ms,itl=5ms".parse().unwrap();
        let server = Server::new(Options { profile, faults, pacing: Pacing::Coarse, ..Options::default() });
        let folder = tempfile::tempdir().unwrap();
        let listener = listen_at(&folder.path().join("server.sock")).unwrap();
        let url = listener.url().unwrap();
        let serving = tokio::task::spawn_local(server.serve(listener, std::future::pending()));
        let mut options = RequestOptions::new(vec![Target::parse(&url).unwrap()], vec![MODEL_NAME.to_owned()]);
        options.endpoint = endpoint;
        adjust(&mut options);
        let addresses = Addresses::of(&options.targets, &Tls::nobody().unwrap()).await.unwrap();
        let client = Rc::new(HttpClient::stamped_by(ReceiveClock::UserSpace, &addresses, Duration::from_secs(10), 0));
        let call = HttpClient::prepare(&Encoder::new(&options).unwrap(), spec(0));
        let clock = RunClock::starting_in(Duration::ZERO);
        let mut exchange = Exchange::default();
        client.send(call, clock, &Departure::at(clock.now()), &mut exchange).await;
        serving.abort();
        exchange
    })
}

#[test]
fn every_endpoint_is_answered_and_read_to_the_millisecond() {
    for &endpoint in Endpoint::ALL {
        let can = endpoint.capabilities();
        let output_tokens = if can.output_tokens { 8 } else { 0 };
        // A single text is both the query and the document of an endpoint that ranks documents.
        let input_tokens = estimate_text(&spec(0).prompt()) * endpoint.texts(1).unwrap_or(1);
        let usage = can.token_counts.then_some(Usage { input_tokens, output_tokens, cached_tokens: None });
        let whole = asked(endpoint, "", |options| options.stream = false);
        assert_eq!((&whole.outcome, whole.first_token), (&Outcome::Completed, None), "{endpoint}: {whole:?}");
        assert_eq!(whole.usage.map(uncached), usage, "{endpoint}");
        assert!(!whole.usage_odd, "{endpoint}");
        if !can.streams {
            assert_eq!(whole.ended.map(tonnage::units::Offset::as_nanos), Some(20_000_000), "{endpoint}");
            let by_default = asked(endpoint, "", |_| ()).usage.map(uncached);
            assert_eq!(by_default, usage, "{endpoint}: not streamed by default");
            continue;
        }
        let exchange = asked(endpoint, "", |_| ());
        assert_eq!(exchange.outcome, Outcome::Completed, "{endpoint}: {exchange:?}");
        assert_eq!(exchange.first_token.map(tonnage::units::Offset::as_nanos), Some(20_000_000), "{endpoint}");
        assert_eq!((exchange.events, exchange.event_gaps_us), (8, vec![5_000; 7]), "{endpoint}");
        assert_eq!(exchange.usage.map(uncached), usage, "{endpoint}");
        let reason = match endpoint.name() {
            "responses" => "max_output_tokens",
            "messages" => "max_tokens",
            _ => "length",
        };
        assert_eq!(exchange.finish_reason.as_deref(), Some(reason));
    }
}

/// Without the count of cached tokens, which only some endpoints always state.
fn uncached(usage: Usage) -> Usage {
    Usage { cached_tokens: None, ..usage }
}

#[test]
fn each_fault_has_its_class_at_every_endpoint() {
    use FailureClass::{Empty, Malformed, Reset, Status, StreamError, Truncated};
    for &endpoint in Endpoint::ALL {
        for (fault, streamed, whole) in [
            ("status:503", Some(Status), Some(Status)),
            ("cut:3", Some(Truncated), Some(Reset)),
            ("drop:3", Some(Reset), Some(Reset)),
            ("reset:3", Some(Reset), Some(Reset)),
            ("error:3", Some(StreamError), Some(StreamError)),
            ("malformed:3", Some(Malformed), Some(Malformed)),
            ("garbage", Some(Malformed), Some(Malformed)),
            ("empty", Some(Empty), Some(Empty)),
            ("split", None, None),
            ("no-usage", None, None),
            ("no-done", None, None),
            ("no-role", None, None),
            ("reasoning:3", None, None),
            ("coalesce:4", None, None),
        ] {
            let by_default = if endpoint.capabilities().streams { streamed } else { whole };
            assert_eq!(class(&asked(endpoint, fault, |_| ())), by_default, "{endpoint} {fault}");
            assert_eq!(
                class(&asked(endpoint, fault, |options| options.stream = false)),
                whole,
                "{endpoint} {fault}, whole"
            );
        }
    }
}

#[test]
fn continuous_usage_gives_the_tokens_of_each_event() {
    for endpoint in Endpoint::ALL.iter().copied().filter(|endpoint| endpoint.capabilities().engine_options) {
        let counted = asked(endpoint, "coalesce:3", |options| options.continuous_usage = true);
        assert_eq!((counted.events, counted.event_tokens), (3, vec![3, 3, 2]), "{endpoint}");
        assert_eq!(counted.usage.map(|usage| usage.output_tokens), Some(8));
        assert_eq!(
            asked(endpoint, "coalesce:3", |_| ()).event_tokens,
            [0_u32; 0],
            "{endpoint}: continuous usage was not requested"
        );
        let silent = asked(endpoint, "no-usage", |options| options.continuous_usage = true);
        assert_eq!(
            (silent.outcome, silent.event_tokens),
            (Outcome::Completed, Vec::new()),
            "{endpoint}: the server sends no continuous usage"
        );
    }
}

#[test]
fn a_completion_asks_for_its_length_by_the_one_name_it_knows() {
    let mut options = RequestOptions::new(vec![Target::parse("http://a").unwrap()], vec!["m".to_owned()]);
    options.endpoint = "completions".parse().unwrap();
    options.min_tokens = true;
    options.ignore_eos = true;
    let body = HttpClient::prepare(&Encoder::new(&options).unwrap(), spec(7)).body().clone();
    let expected = serde_json::json!({
        "model": "m", "prompt": "say \"7\"\n", "max_tokens": 8, "min_tokens": 8, "ignore_eos": true,
        "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), expected);
    options.length_field = Some(LengthField::MaxCompletionTokens);
    let error = Encoder::new(&options).unwrap_err().to_string();
    assert!(error.starts_with("output-field: ") && error.contains("max_tokens"), "{error}");
}
