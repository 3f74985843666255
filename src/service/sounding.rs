//! Owns the sending of the preflight: a small request for each target and each model, tried again while that may help.

use std::rc::Rc;
use std::time::Duration;

use crate::client::{Client, Departure, Encoder, HttpClient, RequestOptions};
use crate::clock::RunClock;
use crate::error::Error;
use crate::metrics::FailureGroup;
use crate::record::{Exchange, FailureClass, Outcome};
use crate::service::find::Service;
use crate::service::preflight::{Asked, Preflight, PreflightAnswer, PreflightFinding, Sample, findings};
use crate::units::Offset;
use crate::workload::{MessagePart, Plan, RequestSpec};

/// Most input tokens of each text of the request: enough to see a chat template, and cheap on a slow machine.
const MOST_INPUT_TOKENS: u32 = 64;
/// Most output tokens of the request: enough to see a stream.
const MOST_OUTPUT_TOKENS: u32 = 16;
/// Tries before the preflight has failed: one failure in ten at random then fails one preflight in a thousand.
const TRIES: u64 = 3;
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// Pause between two tries while the service is awaited.
const PAUSE_WAITING: Duration = Duration::from_millis(500);
/// Longest time for one answer, where `--timeout` allows more. The first request of a kind may compile kernels.
const LONGEST: Duration = Duration::from_mins(2);

/// The numbers of the preflight's requests, which are in their `x-request-id`: beyond every plan.
const FIRST_ID: u64 = 0xffff_ffff_0000;

/// The options of a preflight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Timeout of an answer.
    pub timeout: Duration,
    /// Timeout of opening a connection.
    pub connect_timeout: Duration,
    /// How long to wait until the service answers; 0: only as long as three tries take.
    pub wait_ready: Duration,
    /// Whether the prompt and the answer are kept ([`PreflightAnswer::sample`]).
    pub sample: bool,
}

/// The failure of a preflight.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unready {
    /// Base URL of the target that failed.
    pub target: String,
    /// The class of the request with its endpoint, if the class names one.
    pub class: Option<String>,
    /// The last failure; its count is the number of tries.
    pub failure: FailureGroup,
    /// How long the service was awaited; 0 if it was not.
    pub waited: Duration,
}

/// How one try ended.
enum Tried {
    Answered(Box<Exchange>),
    Failed {
        failure: FailureGroup,
        status: Option<u16>,
        /// Whether a second try cannot help: the server understood the request and refused it.
        is_final: bool,
        /// Whether the service may become ready.
        may_pass: bool,
    },
}

impl Service {
    /// Sends a small request like those of `plan` to each target, for each model and for each class of a mix. `note` is
    /// told of each failed try.
    ///
    /// The inner error is a service that cannot take the load. A service that refuses because of load (429, 503, 529)
    /// can, unless it is awaited: then the refusal is a finding.
    pub(crate) async fn preflight(
        &self,
        requests: &RequestOptions,
        plan: &Plan,
        patience: Patience,
        note: &mut dyn FnMut(&FailureGroup),
    ) -> Result<Result<Preflight, Unready>, Error> {
        let sounding = Sounding::new(self, requests, patience)?;
        let (targets, models) = (self.targets.len() as u64, self.models.len() as u64);
        let first = FIRST_ID.next_multiple_of((targets * models).max(1));
        let mut preflight = Preflight::default();
        let classes = plan.one_of_each_class();
        let of_first = classes.first().copied().unwrap_or(0);
        // Request i goes to target i modulo their number, with the next model after each round.
        let alike = (0..targets.max(models)).map(|place| (place % models * targets + place % targets, of_first));
        // The others go to the first target. Each has a number of its own.
        let others = classes.iter().skip(1).zip(1..).map(|(class, number)| (number * targets * models, *class));
        for (number, like) in alike.chain(others) {
            let spec = plan.small(first + number, like, MOST_INPUT_TOKENS, MOST_OUTPUT_TOKENS);
            let mut answered = sounding.answer_to(&spec, &mut preflight, note).await;
            // A thread that waited for its core reads several events at once, too. A buffer does it again.
            if answered.as_ref().is_ok_and(PreflightAnswer::is_buffered) {
                answered = sounding.answer_to(&spec, &mut preflight, note).await;
            }
            match answered {
                Ok(answer) => preflight.keep(answer),
                Err(unready) => return Ok(Err(unready)),
            }
        }
        // Its connections and requests are not among those of the load.
        self.addresses.iter().for_each(|addresses| addresses.traffic().begin_load());
        Ok(Ok(preflight))
    }
}

fn is_image(part: &MessagePart) -> bool {
    matches!(part, MessagePart::Image(_))
}

/// Single requests that are being sent, before the load.
pub(super) struct Sounding {
    encoder: Encoder,
    client: Rc<HttpClient>,
    clock: RunClock,
    requests: RequestOptions,
    patience: Patience,
}

impl Sounding {
    /// Requests to `service` as `requests` says.
    pub(super) fn new(service: &Service, requests: &RequestOptions, patience: Patience) -> Result<Self, Error> {
        let requests = RequestOptions { keep_text: patience.sample, ..service.requests(requests) };
        let client = HttpClient::new(&service.addresses, patience.connect_timeout, 0);
        Ok(Self {
            encoder: Encoder::new(&requests)?,
            client: Rc::new(client.keeping(requests.idle_timeout, requests.reuse)),
            clock: RunClock::starting_in(Duration::ZERO),
            requests,
            patience,
        })
    }

    /// Sends `spec` until it is answered or no further try may help, and counts the requests and the tokens in
    /// `preflight`.
    pub(super) async fn answer_to(
        &self,
        spec: &RequestSpec,
        preflight: &mut Preflight,
        note: &mut dyn FnMut(&FailureGroup),
    ) -> Result<PreflightAnswer, Unready> {
        let waits = self.patience.wait_ready > Duration::ZERO;
        let deadline = Offset::from(self.patience.wait_ready);
        let (mut tries, mut last_failure) = (0, None);
        loop {
            tries += 1;
            preflight.requests += 1;
            let (failure, status, is_final, may_pass) = match self.one_try(spec).await {
                Tried::Answered(exchange) => {
                    preflight.input_tokens += u64::from(exchange.server_input_tokens().unwrap_or(0));
                    preflight.output_tokens += u64::from(exchange.server_output_tokens().unwrap_or(0));
                    return Ok(self.answer_of(spec, &exchange, last_failure.map(|words| (tries - 1, words))));
                }
                Tried::Failed { failure, status, is_final, may_pass } => (failure, status, is_final, may_pass),
            };
            note(&failure);
            let pause = if waits && may_pass { PAUSE_WAITING } else { PAUSE };
            let goes_on = match (waits, may_pass) {
                (true, true) => self.clock.now().plus(pause) <= deadline,
                _ => !is_final && tries < TRIES && self.clock.now() < Offset::from(LONGEST),
            };
            if goes_on {
                last_failure = Some(failure.words);
                tokio::time::sleep(pause).await;
                continue;
            }
            let refused = status.filter(|status| !waits && crate::record::REFUSALS.contains(status));
            let route = self.route_of(spec);
            return match refused {
                Some(status) => Ok(PreflightAnswer {
                    target: route.0,
                    model: route.1,
                    class: self.class_of(spec),
                    status: Some(status),
                    asked_input_tokens: spec.outline.input_tokens,
                    asked_output_tokens: self.asked(spec).output_tokens,
                    finding_kinds: vec![PreflightFinding::Limited { tries, status, words: failure.words }],
                    ..PreflightAnswer::default()
                }),
                None => Err(Unready {
                    target: route.0,
                    class: self.class_of(spec),
                    failure: FailureGroup { count: tries, ..failure },
                    waited: if waits { self.clock.now().since(Offset::ZERO) } else { Duration::ZERO },
                }),
            };
        }
    }

    /// Sends `spec` once, and returns what came of it within `limit`.
    pub(super) async fn exchange(&self, spec: &RequestSpec, limit: Duration) -> Exchange {
        let mut exchange = Exchange::default();
        let departure = Departure::at(self.clock.now());
        let call = self.encoder.encode(spec);
        let sending = Rc::clone(&self.client).send(call, self.clock, &departure, &mut exchange);
        if tokio::time::timeout(limit, sending).await.is_err() {
            exchange.outcome = Outcome::TimedOut;
        }
        exchange
    }

    async fn one_try(&self, spec: &RequestSpec) -> Tried {
        let exchange = self.exchange(spec, self.patience.timeout.min(LONGEST)).await;
        let Some(failure) = FailureGroup::of(&exchange) else { return Tried::Answered(Box::new(exchange)) };
        let is_malformed = exchange.is_malformed();
        let is_status = matches!(&exchange.outcome, Outcome::Failed(failure) if failure.class == FailureClass::Status);
        let status = exchange.status.filter(|_| is_status);
        // A key that is renewed may be right at the next try.
        let may_renew = status == Some(401) && self.requests.renewed_key.is_some();
        let is_refused = status.is_some_and(|status| matches!(status, 300..=399 | 401..=405)) && !may_renew;
        let is_at_fault = status.is_some_and(|status| status < 500 && ![408, 425, 429].contains(&status));
        Tried::Failed { failure, status, is_final: is_refused, may_pass: may_renew || !(is_malformed || is_at_fault) }
    }

    /// Target and model of `spec`.
    pub(super) fn route_of(&self, spec: &RequestSpec) -> (String, String) {
        let route = <HttpClient as Client>::route(&self.encoder.encode(spec));
        (route.target.to_string(), route.model.to_string())
    }

    /// The class of `spec`, with its endpoint, if it names one.
    fn class_of(&self, spec: &RequestSpec) -> Option<String> {
        let class = &spec.outline.class;
        let form = self.requests.classes.get(class)?.form.as_ref()?;
        Some(format!("{class} ({})", form.endpoint))
    }

    /// What `spec` asks for.
    fn asked(&self, spec: &RequestSpec) -> Asked {
        let requests = self.requests.of_class(&spec.outline.class);
        let RequestOptions { endpoint, length_field, extra_body, stream, ignore_eos, .. } = &requests;
        let can = endpoint.capabilities();
        let field = endpoint.dialect().length_key(*length_field).ok().flatten();
        Asked {
            input_tokens: spec.counted_tokens.unwrap_or(spec.outline.input_tokens),
            choices: requests.choices(),
            output_tokens: spec.outline.output_tokens.saturating_mul(requests.choices()),
            length_field: field.filter(|field| !extra_body.contains_key(*field)),
            streamed: *stream && can.streams,
            images: spec.messages.iter().flat_map(|message| message.parts.iter()).any(is_image),
            may_ignore_eos: can.engine_options && !ignore_eos,
        }
    }

    /// The answer in `exchange`; `failed`: the tries before it, and the words of the last of them.
    fn answer_of(&self, spec: &RequestSpec, exchange: &Exchange, failed: Option<(u64, String)>) -> PreflightAnswer {
        let asked = self.asked(spec);
        let (target, model) = self.route_of(spec);
        let awaited = self.patience.wait_ready > Duration::ZERO;
        let tried = failed.filter(|_| !awaited).map(|(failed, words)| PreflightFinding::Tried { failed, words });
        let since_written = |at: Option<Offset>| at.zip(exchange.written).map(|(at, written)| at.secs_since(written));
        let text = exchange.text.as_ref().map(|text| String::from_utf8_lossy(&text.bytes).into_owned());
        let sample = Sample { prompt: spec.prompt().into_owned(), answer: text.unwrap_or_default() };
        PreflightAnswer {
            target,
            model,
            class: self.class_of(spec),
            status: exchange.status,
            ttft_s: since_written(exchange.first_token.filter(|_| asked.streamed)),
            e2e_s: since_written(exchange.ended),
            asked_input_tokens: asked.input_tokens,
            server_input_tokens: exchange.server_input_tokens(),
            asked_output_tokens: asked.output_tokens,
            server_output_tokens: exchange.server_output_tokens(),
            events: exchange.events,
            finish_reason: exchange.finish_reason.as_deref().map(str::to_owned),
            finding_kinds: tried.into_iter().chain(findings(exchange, asked)).collect(),
            findings: Vec::new(),
            sample: self.patience.sample.then_some(sample),
        }
    }
}
