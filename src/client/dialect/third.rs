//! Owns the proof that an endpoint is one file: a third endpoint, with its own events, is written, served and read
//! without a change in another file.

use serde_json::{Map, Value, json};

use super::kind::{Capabilities, Dialect, StreamFields, quote};
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest, SoFar};
use super::written::push_all;
use crate::client::answer::{Answer, End};
use crate::client::delta::{Counts, Delta};
use crate::client::length_field::LengthField;
use crate::client::shape::Fragment;
use crate::client::{Encoder, Endpoint, RequestOptions, Target};
use crate::error::Error;
use crate::record::{Exchange, Outcome, Usage};
use crate::units::Offset;
use crate::workload::{Message, Outline, RequestSpec, estimate_text, joined_text};

/// Each event has a type, as in `/v1/responses`; the key for the output length has another name.
#[derive(Debug)]
struct Typed;

impl Dialect for Typed {
    fn name(&self) -> &'static str {
        "typed"
    }

    fn path(&self) -> &'static str {
        "typed"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { reasoning: false, ..Capabilities::CHAT }
    }

    fn sentence(&self) -> &'static str {
        "A prompt; one answer in typed events."
    }

    fn prompt_key(&self) -> &'static str {
        "input"
    }

    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        quote(body, &joined_text(messages));
    }

    fn length_key(&self, _asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        Ok(Some("max_output_tokens"))
    }

    fn fields(&self, asked: StreamFields) -> Map<String, Value> {
        Map::from_iter([("stream".to_owned(), Value::Bool(asked.stream))])
    }

    fn text_keys(&self) -> &'static [&'static [u8]] {
        &[b"\"delta\":"]
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        let event: Value = serde_json::from_str(object).map_err(|error| error.to_string())?;
        let text = event["delta"].as_str().unwrap_or("").to_owned();
        let count = |key: &str| event["usage"][key].as_u64().map(|count| count as u32);
        let is_over = event["type"] == "completed";
        Ok(Delta {
            answer: !text.is_empty(),
            bytes: text.len() as u64,
            of_choices: u64::from(!text.is_empty()),
            ends_choices: u64::from(is_over),
            finish_reason: is_over.then(|| "stop".into()),
            usage: is_over.then(|| Counts { input: count("in"), output: count("out"), ..Counts::default() }),
            ..Delta::default()
        })
    }

    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        let Ok(event) = serde_json::from_str::<Value>(object) else { return false };
        each(Fragment::Answer(event["delta"].as_str().unwrap_or("").as_bytes()));
        true
    }
}

impl ServedDialect for Typed {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        Ok(ServedRequest {
            model: None,
            prompt_tokens: Ok(estimate_text(body["input"].as_str().unwrap_or(""))),
            output_tokens: body["max_output_tokens"].as_u64().map(|tokens| tokens as u32),
            candidates: None,
            streamed: body["stream"] == true,
            usage_at_end: true,
            usage_in_each: false,
            items: 1,
            each_prompt: Vec::new(),
            stops: Vec::new(),
        })
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        each(PromptPart::Text(body["input"].as_str().unwrap_or("")));
    }

    fn beginning(&self, _identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        b"event: message\ndata: {\"type\":".to_vec()
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        match (says, usage) {
            (Says::Tokens { text, .. }, _) => {
                out.extend_from_slice(beginning);
                push_all(out, &[r#""text","delta":""#, text, "\"}\n\n"]);
            }
            (Says::Counts, Some(AnswerUsage { prompt, output, .. })) => {
                out.extend_from_slice(beginning);
                let usage = json!({"in": prompt, "out": output});
                push_all(out, &[r#""completed","usage":"#, &usage.to_string(), "}\n\n"]);
            }
            _ => {}
        }
    }
}

#[test]
fn a_third_endpoint_is_written_answered_and_read_by_its_own_file() {
    let endpoint = Endpoint::of(&Typed);
    let mut options = RequestOptions::new(vec![Target::parse("http://a:1").unwrap()], vec!["m".to_owned()]);
    options.endpoint = endpoint;
    let outline = Outline::single(0, 3, 2);
    let call = Encoder::new(&options).unwrap().encode(&RequestSpec::of_text(outline, "three short words".to_owned()));
    let expected = json!({"model": "m", "input": "three short words", "max_output_tokens": 2, "stream": true});
    assert_eq!(serde_json::from_slice::<Value>(call.body()).unwrap(), expected);

    let dialect = endpoint.dialect();
    let asked = dialect.read_request(call.body()).unwrap();
    assert_eq!((asked.prompt_tokens, asked.output_tokens, asked.streamed), (Ok(3), Some(2), true));
    let usage = AnswerUsage { prompt: 3, output: 2, cached: None };
    let beginning = dialect.beginning(AnswerIdentity { sequence: 0, created_s: 0, model_json: "m", choice: 0 }, true);
    let mut exchange = Exchange { text: Some(Box::default()), ..Exchange::default() };
    let mut answer = Answer::new(endpoint, true, Some("text/event-stream"), 2);
    let steps = ["a", " b"]
        .map(|text| Says::Tokens { reasoning: "", text, so_far: SoFar::default() })
        .into_iter()
        .chain([Says::Counts]);
    for (second, says) in (1..).zip(steps) {
        let mut out = Vec::new();
        dialect.write(&mut out, &beginning, says, Some(usage));
        answer.read(&out, Offset::from_nanos(second), &mut exchange);
    }
    answer.settle(End::Orderly, Offset::from_nanos(4), &mut exchange);
    assert_eq!((&exchange.outcome, exchange.events), (&Outcome::Completed, 2));
    assert_eq!(exchange.usage, Some(Usage { input_tokens: 3, output_tokens: 2, cached_tokens: None }));
    assert_eq!(exchange.text.unwrap().bytes, b"a b");
}
