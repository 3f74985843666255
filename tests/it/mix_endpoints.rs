//! Owns the tests of mixes whose classes go to endpoints of their own, and have prefixes of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tonnage::client::{ClassRequests, Client, Encoder, EndpointOptions, HttpClient, RequestOptions, Secret, Target};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::{ServiceProfile, run as simulated};
use tonnage::units::{Rate, Ratio};
use tonnage::workload::{
    ClassEndpoint, LengthSpec, Load, Mix, MixClass, Plan, PrefixLength, Prefixes, Role, Salt, Shared, SourceSpec,
    Workload, infinite_caches,
};

use crate::cli::{all_refused, folder, json, run, text};

fn law(text: &str) -> LengthSpec {
    text.parse().expect("lengths")
}

fn class(name: &str, weight: f64, input: &str) -> MixClass {
    MixClass::new(name, weight, law(input), law("8"))
}

/// A class whose requests are `texts` texts to embed.
fn embedding(texts: u32) -> ClassEndpoint {
    ClassEndpoint { name: Some("embeddings".into()), texts, no_output: true, messages: false, templated: false }
}

fn plan() -> Plan {
    let extent = Extent::Duration(Duration::from_mins(1));
    let rate = Rate::new(20.0).expect("a rate");
    let timeline = Timeline::new(Process::Poisson, rate, extent, Duration::ZERO, Duration::ZERO, Seed::new(5));
    let chat = Prefixes {
        system_tokens: 32,
        system_message: true,
        primed: true,
        ..Prefixes::groups(3, PrefixLength::Tokens(law("48")), Seed::new(1))
    };
    let half = PrefixLength::Share(Ratio::new(0.5).expect("a share"));
    let classes = vec![
        MixClass { prefixes: Some(chat), ..class("chat", 4.0, "128") },
        MixClass { prefixes: Some(Prefixes::groups(1, half, Seed::new(2))), ..class("code", 3.0, "160") },
        MixClass { endpoint: Some(embedding(4)), ..class("embed", 2.0, "20") },
        MixClass { prefixes: Some(Prefixes::system(0, Seed::new(3))), ..class("plain", 1.0, "64") },
    ];
    let workload = Workload::of(SourceSpec::Mixed(Mix::new(classes).expect("a mix")));
    let workload = workload.salted(Salt::Text("s".to_owned()));
    // What all classes share that say nothing of it: none but `embed`, which sends batches of texts.
    let workload = workload.sharing_prefixes(Some(Prefixes::system(16, Seed::new(4))));
    Plan::new(Load::Open(timeline), workload, Seed::new(5), None)
}

#[test]
fn the_prompts_of_each_class_begin_with_its_own_prefixes_and_with_no_other() {
    let plan = plan();
    let mut systems = BTreeSet::new();
    let (mut heads, mut texts) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeSet::new());
    for id in 0..400 {
        let spec = plan.spec(id);
        let class = spec.outline.class.to_string();
        let first = spec.messages[0].parts[0].text().to_owned();
        let shared = plan.shared(id).map_or(0, Shared::tokens);
        match &*class {
            "chat" => {
                assert_eq!((spec.messages.len(), spec.messages[0].role, shared), (2, Role::System, 80));
                systems.insert(first);
            }
            "embed" => {
                assert_eq!((spec.messages.len(), shared), (4, 0), "a batch shares nothing");
                assert_eq!((spec.outline.input_tokens, spec.outline.output_tokens), (80, 0));
            }
            "code" => assert_eq!((spec.messages.len(), shared), (1, 80)),
            _ => assert_eq!((spec.messages.len(), shared), (1, 0)),
        }
        for message in spec.messages.iter().filter(|message| message.role == Role::User) {
            let said = message.parts[0].text().to_owned();
            let head: Vec<&str> = said.split(' ').take(4).collect();
            heads.entry(class.clone()).or_default().insert(head.join(" "));
            assert!(texts.insert(said), "no text is sent twice: request {id}");
        }
    }
    assert_eq!(systems.len(), 1, "all requests of chat have one system prompt");
    assert_eq!((heads["chat"].len(), heads["code"].len()), (3, 1), "a head for each group");
    assert!(heads["chat"].is_disjoint(&heads["code"]), "classes with prefixes of their own share no text");
}

#[test]
fn the_shares_of_the_classes_add_up_to_that_of_all_in_theory_and_on_a_server() {
    let plan = plan();
    let (all, classes) = infinite_caches(&plan).expect("prompts share something");
    assert_eq!((all.asked, classes["code"].asked, classes["chat"].asked), (None, Some(0.5), None));
    let primed = |name: &str| classes[name].primed;
    assert_eq!([primed("chat"), primed("code"), plan.primers() == 3], [true, false, true]);
    // Every request of chat finds its 80 tokens, because its prefixes were primed.
    assert!((classes["chat"].infinite.expect("a share") - 80.0 / 128.0).abs() < 1e-12);
    assert_eq!((classes["embed"].infinite, classes["plain"].infinite), (Some(0.0), Some(0.0)));
    let tokens = |name: &str| match name {
        "chat" => 128.0,
        "code" => 160.0,
        "embed" => 80.0,
        _ => 64.0,
    };
    let sums = classes.iter().fold((0.0, 0.0), |(hit, sum), (name, share)| {
        let of_class = share.requests as f64 * tokens(name);
        (hit + share.infinite.expect("a share") * of_class, sum + of_class)
    });
    assert!((sums.0 / sums.1 - all.infinite.expect("a share")).abs() < 1e-12, "the classes add up");
    let server: ServiceProfile = "8b-h100:kv_tokens=4000000".parse().expect("a profile");
    let mut seen = BTreeMap::<String, (f64, f64)>::new();
    for record in simulated(&plan, server, Seed::new(1)) {
        let Some(usage) = record.exchange.usage else { continue };
        let (cached, all) = seen.entry(record.class.to_string()).or_default();
        *cached += f64::from(usage.cached_tokens.unwrap_or(0));
        *all += f64::from(usage.input_tokens);
    }
    for (name, share) in &classes {
        let (cached, all) = seen[name];
        let theory = share.infinite.expect("a share");
        // The simulated server was not primed: three requests of chat and one of code miss.
        assert!((cached / all - theory).abs() < 0.02, "{name}: {} and in theory {theory}", cached / all);
    }
}

#[test]
fn a_request_is_written_and_read_as_the_endpoint_of_its_class_says() {
    let target = Target::parse("http://h:1").expect("a target");
    let mut options = RequestOptions::new(vec![target], vec!["m".to_owned()]);
    options.api_key = Some(Secret::new("k-123456789".to_owned()));
    options.ignore_eos = true;
    let form = |name: &str| EndpointOptions { endpoint: name.parse().expect("an endpoint"), ..Default::default() };
    let own = |name: &str| ClassRequests { model: None, form: Some(form(name)) };
    options.classes = BTreeMap::from([
        ("embed".into(), own("embeddings")),
        ("claude".into(), ClassRequests { model: Some("claude-9".to_owned()), ..own("messages") }),
    ]);
    let encoder = Encoder::new(&options).expect("an encoder");
    let plan = plan();
    let of_class = |name: &str| {
        let mut spec = plan.spec((0..1_000).find(|id| *plan.outline(*id).class == *"embed").expect("a request"));
        spec.outline.class = name.into();
        let call = encoder.encode(&spec);
        let body: Value = serde_json::from_slice(HttpClient::body(&call)).expect("JSON");
        let header = |key: &str| call.headers().get(key).map(|value| value.to_str().expect("text").to_owned());
        (format!("{call:?}"), body, [header("x-api-key"), header("authorization"), header("accept")])
    };
    let (call, body, headers) = of_class("embed");
    assert!(
        call.contains("/v1/embeddings") && body["input"].as_array().is_some_and(|texts| texts.len() == 4),
        "{body}"
    );
    assert!(body.get("ignore_eos").is_none() && body["model"] == "m", "{body}");
    assert_eq!(headers[1..], [Some("Bearer k-123456789".to_owned()), Some("application/json".to_owned())]);
    let (call, body, headers) = of_class("claude");
    assert!(call.contains("/v1/messages") && body["model"] == "claude-9" && body["max_tokens"].is_u64(), "{body}");
    assert_eq!((headers[0].as_deref(), &headers[1]), (Some("k-123456789"), &None));
    let (call, body, headers) = of_class("chat");
    assert!(call.contains("/v1/chat/completions") && body["ignore_eos"] == true, "{body}");
    assert_eq!(headers[2].as_deref(), Some("text/event-stream"));
}

const MIX: &str = "\
chat:
  weight: 5
  system-tokens: 48
  input-tokens: 100
  output-tokens: 8
  slo: [p50 ttft<=2s]
embed:
  weight: 3
  endpoint: embeddings
  batch-size: 4
  input-tokens: 30
  slo: [p50 e2e<=2s]
claude:
  weight: 2
  endpoint: messages
  output-tokens: 12
  slo: [p50 ttft<=2s]
";

/// The requests of `class` in `out` whose first and last token have the same stamp.
fn at_once(folder: &Path, class: &str) -> u64 {
    let records = std::fs::read_to_string(folder.join("out/records.jsonl")).expect("records");
    let is_so = |line: &&str| {
        let record: Value = serde_json::from_str(line).expect("a record");
        let [first, last] = ["first_token_s", "last_token_s"].map(|key| record[key].as_f64());
        record["class"] == class && first.is_some() && first == last
    };
    records.lines().filter(is_so).count() as u64
}

#[test]
fn three_classes_at_three_endpoints_have_the_figures_of_their_endpoints() {
    let folder = folder();
    let place = folder.path();
    std::fs::write(place.join("mix.yaml"), MIX).expect("a file");
    let words =
        ["--rate", "100", "--requests", "90", "--sim", "delay:ttft=5ms,itl=1ms", "--salt", "s", "--temperature"];
    let words = [&["run", "--mix", "mix.yaml", "--out", "out"][..], &words, &["0.5", "--show-sample"]].concat();
    let output = run(place, &words);
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let result = json(&place.join("out/result.json"));
    let trial = &result["trials"][0];
    assert_eq!(trial["requests"]["completed"], 90, "{shown}");
    let judged = trial["slo"]["objectives"].as_array().expect("objectives");
    assert!(judged.iter().all(|objective| objective["misses"] == 0) && judged.len() == 3, "{shown}");
    let class = |name: &str| &trial["classes"][name];
    let count = |name: &str, metric: &str| {
        let view = &class(name)["metrics"][metric];
        view.get("scheduled").or(view.get("value")).and_then(|stats| stats["count"].as_u64()).unwrap_or(0)
    };
    let planned = |name: &str| class(name)["requests"]["planned"].as_u64().expect("a count");
    for (name, streams) in [("chat", true), ("claude", true), ("embed", false)] {
        let expected = if streams { planned(name) } else { 0 };
        assert!(planned(name) > 0, "{shown}");
        assert_eq!(["ttft", "output_tokens"].map(|metric| count(name, metric)), [expected; 2], "{name}");
        // An answer whose tokens have one stamp, because a busy machine read it at once, has no tpot.
        assert_eq!(count(name, "tpot"), expected - at_once(place, name), "{name}");
        assert_eq!(count(name, "e2e"), planned(name));
    }
    let tokens = |name: &str, kind: &str| class(name)["tokens"][kind]["server"].as_f64();
    assert_eq!((tokens("embed", "input"), tokens("embed", "output")), (Some(120.0), None), "{shown}");
    assert_eq!((tokens("chat", "output"), tokens("claude", "output")), (Some(8.0), Some(12.0)), "{shown}");
    let per_s = |name: &str, key: &str| class(name)["throughput"][key].as_f64();
    let items = per_s("embed", "requests_per_s").map(|rate| rate * 4.0);
    assert_eq!((per_s("embed", "items_per_s"), per_s("chat", "items_per_s")), (items, None));
    assert_eq!(trial["throughput"].get("items_per_s"), None, "requests of all classes have no items in common");
    let tried: BTreeSet<&str> = result["preflight"]["answers"]
        .as_array()
        .expect("answers")
        .iter()
        .filter_map(|answer| answer["class"].as_str())
        .collect();
    assert_eq!(tried, BTreeSet::from(["claude (messages)", "embed (embeddings)"]), "each endpoint is tried");
    // Folded again from the records, and sent again from what is stored.
    let again: Value = serde_json::from_slice(&run(place, &["report", "out", "--json"]).stdout).expect("JSON");
    assert_eq!(again["trials"][0]["classes"]["embed"]["throughput"], class("embed")["throughput"]);
    let repeated = ["run", "--config", "out/config.yaml", "--out", "second", "--quiet"];
    let repeated = text(&run(place, &repeated).stderr);
    assert!(place.join("second/result.json").exists(), "{repeated}");
    let second = json(&place.join("second/result.json"));
    for key in ["plan_fingerprint", "body_fingerprint"] {
        assert_eq!(second[key], result[key], "{key}");
    }
}

#[test]
fn two_shards_of_a_mix_with_endpoints_are_merged_class_by_class() {
    let folder = folder();
    let place = folder.path();
    std::fs::write(place.join("mix.yaml"), MIX).expect("a file");
    for shard in ["1/2", "2/2"] {
        let out = format!("part{}", &shard[..1]);
        let words = ["run", "--mix", "mix.yaml", "--rate", "100", "--requests", "60", "--salt", "s", "--sim"];
        let words = [&words[..], &["delay:ttft=5ms,itl=1ms", "--shard", shard, "--out", &out, "--quiet"]].concat();
        let output = run(place, &words);
        assert!(place.join(out).join("result.json").exists(), "{}", text(&output.stderr));
    }
    let merged: Value =
        serde_json::from_slice(&run(place, &["report", "part1", "part2", "--json"]).stdout).expect("JSON");
    let trial = &merged["trials"][0];
    let part = |number: u32| json(&place.join(format!("part{number}/result.json")));
    for name in ["chat", "claude", "embed"] {
        let planned = |of: &Value| of["classes"][name]["requests"]["completed"].as_u64().expect("a count");
        assert_eq!(planned(trial), planned(&part(1)["trials"][0]) + planned(&part(2)["trials"][0]), "{name}");
    }
    assert!(trial["classes"]["embed"]["throughput"]["items_per_s"].is_f64());
    assert_eq!(trial["classes"]["embed"]["metrics"]["ttft"]["scheduled"]["count"], 0);
}

#[test]
fn a_mix_without_endpoints_keeps_its_fingerprint() {
    let folder = folder();
    let mix = "{chat: {weight: 5, input-tokens: 200, content: code, cancel: 2%:1s}, \
               b: {model: m, output-tokens: 9, process: gamma:3}}";
    let words = ["plan", "--mix", mix, "--rate", "40/s", "--duration", "5s", "--system-tokens", "40", "--json"];
    let of = |words: &[&str]| -> Value {
        serde_json::from_slice::<Value>(&run(folder.path(), words).stdout).expect("JSON")["fingerprint"].clone()
    };
    assert_eq!(of(&words), "ddf279da5ca0a797349130830271da8f");
    let mut seen = BTreeSet::new();
    for mix in [
        "{a: {}, b: {}}",
        "{a: {endpoint: completions}, b: {}}",
        "{a: {endpoint: embeddings}, b: {}}",
        "{a: {endpoint: embeddings, batch-size: 2}, b: {}}",
        "{a: {system-tokens: 20}, b: {}}",
        "{a: {}, b: {system-tokens: 20}}",
        "{a: {prefix-tokens: 20, prefix-groups: 4}, b: {}}",
    ] {
        seen.insert(of(&["plan", "--mix", mix, "--rate", "40/s", "--duration", "2s", "--json"]).to_string());
    }
    assert_eq!(seen.len(), 7, "what a class sends shows in the fingerprint");
}

#[test]
fn what_a_class_cannot_ask_of_its_endpoint_is_refused() {
    let folder = folder();
    let of = |mix: &'static str| ["run", "--mix", mix];
    let cases: Vec<(Vec<&str>, &[&str])> = vec![
        (of("{a: {endpoint: chatt}}").into(), &["--mix", "the endpoint of the class a", "accepted is chat"]),
        (of("{a: {endpoint: raw}}").into(), &["--mix", "class a", "--endpoint raw --raw FILE"]),
        (of("{a: {endpoint: embeddings, output-tokens: 9}}").into(), &["output-tokens of the class a", "no tokens"]),
        (of("{a: {endpoint: chat, batch-size: 9}}").into(), &["batch-size of the class a", "one prompt"]),
        (of("{a: {batch-size: 9}}").into(), &["batch-size of the class a", "add endpoint: embeddings"]),
        (of("{a: {endpoint: embeddings, slo: [p99 ttft<=1s]}}").into(), &["--slo", "a: p99 ttft", "embeddings has no"]),
        (of("{a: {endpoint: embeddings, system-tokens: 9}}").into(), &["--mix", "class a", "batches of texts"]),
        (of("{a: {system-tokens: 200}}").into(), &["--mix", "system-tokens of the class a", "does not fit"]),
        (of("{a: {prefix-groups: 9}}").into(), &["--mix", "prefix-groups of the class a", "add prefix-tokens"]),
        (of("{a: {cache-hit: 99%}}").into(), &["--mix", "cache-hit of the class a"]),
        (
            [&of("{a: {endpoint: embeddings}, b: {}}")[..], &["--slo", "p99 ttft<=1s"]].concat(),
            &["--slo", "embeddings has no ttft", "name the class"],
        ),
        ([&of("{a: {endpoint: chat}}")[..], &["--endpoint", "chat"]].concat(), &["--endpoint", "has no effect"]),
        ([&of("{a: {system-tokens: 9}}")[..], &["--system-tokens", "9"]].concat(), &["--system-tokens", "no effect"]),
        (
            [&of("{a: {endpoint: completions}, b: {}}")[..], &["--batch-size", "9"]].concat(),
            &["--batch-size", "none of the endpoints completions, chat knows it"],
        ),
        (
            [&of("{a: {endpoint: completions}, b: {}}")[..], &["--images", "1"]].concat(),
            &["--images", "the endpoint completions takes text alone"],
        ),
        (
            [&of("{a: {endpoint: completions}, b: {}}")[..], &["--choices", "2"]].concat(),
            &["--choices", "several endpoints"],
        ),
        (
            [&of("{a: {endpoint: embeddings}, b: {}}")[..], &["--turns", "3"]].concat(),
            &["--turns", "embeddings writes no answers"],
        ),
        (
            [&of("{a: {cache-hit: 20%}}")[..], &["--turns", "3"]].concat(),
            &["cache-hit of the class a", "a session share"],
        ),
        (
            [
                &of("{a: {endpoint: messages}, b: {}}")[..],
                &["--api-key-command", "echo k", "--target", "http://127.0.0.1:9"],
            ]
            .concat(),
            &["--api-key-command", "x-api-key", "--auth-header"],
        ),
    ];
    let cases: Vec<(&[&str], &[&str])> = cases.iter().map(|(words, said)| (words.as_slice(), *said)).collect();
    all_refused(folder.path(), &cases);
}
