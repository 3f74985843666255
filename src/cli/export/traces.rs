//! Owns `Traces`: a sample of requests, sent as spans to a collector by OTLP over HTTP in JSON. It has a thread of its
//! own; spans that it cannot send in time are left out and counted.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::cli::export::collector::Collector;
use crate::cli::terminal::say;
use crate::error::Error;
use crate::metrics::{FailureGroup, input_tokens, output_tokens};
use crate::record::{Outcome, Record};
use crate::units::{Offset, Ratio, count};

/// Spans that may wait; about 8 MB.
const MOST_WAITING: usize = 8_192;
/// Spans in one message.
const MOST_AT_ONCE: usize = 256;
/// The longest time that a span waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector may take for a message.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much other threads are preferred, so that a send does not wait for a span.
const NICE: i32 = 19;

/// Sends spans until it is dropped; then it says what it sent.
#[derive(Debug)]
pub(in crate::cli) struct Traces {
    spans: Option<SyncSender<Value>>,
    share: f64,
    /// Makes the numbers of traces differ from those of other runs.
    salt: [u8; 16],
    left_out: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    quiet: bool,
}

impl Traces {
    /// The traces that are asked for: those of a share of all requests. Not `quiet`, they say in the end what was sent.
    pub(in crate::cli) fn asked(to: Option<Collector>, share: Ratio, quiet: bool) -> Result<Option<Rc<Self>>, Error> {
        to.map(|collector| Self::open(collector, share, quiet).map(Rc::new)).transpose()
    }

    fn open(collector: Collector, share: Ratio, quiet: bool) -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(MOST_WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&left_out);
        let mut sending = Sending { collector, sent: 0, why: None, left_out: lost };
        let thread = std::thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || {
                // On Linux this is about the calling thread alone. Without it the spans are still sent.
                _ = rustix::process::setpriority_process(None, NICE);
                sending.run(&receiver);
                sending.tell(quiet);
            })
            .map_err(|why| Error::Internal(format!("no thread can send traces: {why}")))?;
        let mut salt = [0; 16];
        salt[..4].copy_from_slice(&std::process::id().to_le_bytes());
        salt[4..]
            .copy_from_slice(&nanos(crate::clock::RunClock::starting_in(Duration::ZERO).wall()).to_le_bytes()[..12]);
        Ok(Self { spans: Some(sender), share: share.share(), salt, left_out, thread: Some(thread), quiet })
    }

    /// Sends the span of `record`, if it is in the sample. `origin` is the wall-clock time of the load's origin, `load`
    /// its number and name.
    pub(super) fn settled(&self, record: &Record, origin: SystemTime, load: (usize, &str)) {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.salt).update(&load.0.to_le_bytes()).update(&record.id.to_le_bytes());
        let hash = hash.finalize();
        let part = |from: usize| u64::from_le_bytes(hash.as_bytes()[from..from + 8].try_into().unwrap_or_default());
        if part(0) as f64 / u64::MAX as f64 >= self.share {
            return;
        }
        let ids = [format!("{:016x}{:016x}", part(8), part(16)), format!("{:016x}", part(24))];
        let span = span_of(record, nanos(origin), load, ids);
        if self.spans.as_ref().is_none_or(|spans| spans.try_send(span).is_err()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        self.spans = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !self.quiet
        {
            say("the thread that sends traces has died: some are missing");
        }
    }
}

fn nanos(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// An attribute in the JSON of OTLP, where whole numbers are texts.
fn attribute(key: &str, value: &Value) -> Value {
    let value = match value {
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::String(text) => json!({"stringValue": text}),
        other => json!({"stringValue": other.to_string()}),
    };
    json!({"key": key, "value": value})
}

/// The span of a request: from its planned instant to its end, with its instants in between as events.
fn span_of(record: &Record, origin_ns: u128, load: (usize, &str), [trace, span]: [String; 2]) -> Value {
    let exchange = &record.exchange;
    let at = |offset: Offset| (origin_ns + u128::from(offset.as_nanos())).to_string();
    let events: Vec<Value> = [
        ("sent", exchange.sent),
        ("headers", exchange.headers),
        ("first_token", exchange.first_token),
        ("last_token", exchange.last_token),
    ]
    .into_iter()
    .filter_map(|(name, instant)| Some(json!({"name": name, "timeUnixNano": at(instant?)})))
    .collect();
    let failure = FailureGroup::of(exchange);
    let known = [
        ("tonnage.request", Some(json!(record.id))),
        ("tonnage.load", Some(json!(load.1))),
        ("tonnage.load.number", Some(json!(load.0))),
        ("tonnage.class", Some(json!(&*record.class))),
        ("server.address", Some(json!(&*record.target))),
        ("gen_ai.request.model", Some(json!(&*record.model))),
        ("gen_ai.usage.input_tokens", input_tokens(record).map(|tokens| json!(tokens))),
        ("gen_ai.usage.output_tokens", output_tokens(record).map(|tokens| json!(tokens))),
        ("gen_ai.response.finish_reasons", exchange.finish_reason.as_deref().map(|reason| json!(reason))),
        ("http.response.status_code", exchange.status.map(|status| json!(status))),
        ("error.type", failure.as_ref().map(|group| json!(group.kind))),
    ];
    let attributes: Vec<Value> =
        known.iter().filter_map(|(key, value)| Some(attribute(key, value.as_ref()?))).collect();
    // 1: fine, 2: an error, 0: neither.
    let status = match (&exchange.outcome, failure) {
        (Outcome::Completed, _) => json!({"code": 1}),
        (_, Some(group)) => json!({"code": 2, "message": group.words}),
        (Outcome::Shed | Outcome::Abandoned, None) => json!({"code": 2, "message": "not sent"}),
        (_, None) => json!({"code": 0}),
    };
    json!({
        "traceId": trace,
        "spanId": span,
        "name": format!("request {}", record.model),
        // A client.
        "kind": 3,
        "startTimeUnixNano": at(record.scheduled),
        "endTimeUnixNano": at(exchange.ended.unwrap_or(record.scheduled).max(record.scheduled)),
        "attributes": attributes,
        "events": events,
        "status": status,
    })
}

/// The message with these spans.
fn message(spans: &[Value]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let message = json!({"resourceSpans": [{
        "resource": {"attributes": [
            attribute("service.name", &json!("tonnage")),
            attribute("service.version", &json!(version)),
        ]},
        "scopeSpans": [{"scope": {"name": "tonnage", "version": version}, "spans": spans}],
    }]});
    message.to_string().into_bytes()
}

/// The state of the thread.
struct Sending {
    collector: Collector,
    sent: u64,
    /// Why the last message was not taken.
    why: Option<String>,
    left_out: Arc<AtomicU64>,
}

impl Sending {
    fn run(&mut self, spans: &Receiver<Value>) {
        let mut waiting = Vec::new();
        loop {
            let next = spans.recv_timeout(GATHER);
            let is_over = matches!(next, Err(RecvTimeoutError::Disconnected));
            let is_quiet = next.is_err();
            waiting.extend(next);
            if (is_quiet || waiting.len() >= MOST_AT_ONCE) && !waiting.is_empty() {
                self.send(&waiting);
                waiting.clear();
            }
            if is_over {
                return;
            }
        }
    }

    fn send(&mut self, spans: &[Value]) {
        match self.post(&message(spans)) {
            Ok(()) => self.sent += spans.len() as u64,
            Err(why) => {
                self.left_out.fetch_add(spans.len() as u64, Ordering::Relaxed);
                self.why = Some(why);
            }
        }
    }

    /// Posts one message. Fails with the reason in words.
    fn post(&self, body: &[u8]) -> Result<(), String> {
        let Collector { host, port, path } = &self.collector;
        let words = |why: io::Error| why.to_string();
        let mut addresses = (host.as_str(), *port).to_socket_addrs().map_err(words)?;
        let address = addresses.next().ok_or("its name has no address")?;
        let mut socket = TcpStream::connect_timeout(&address, PATIENCE).map_err(words)?;
        socket
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| socket.set_write_timeout(Some(PATIENCE)))
            .map_err(words)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(&[head.as_bytes(), body].concat()).map_err(words)?;
        let mut answer = Vec::new();
        socket.take(1 << 16).read_to_end(&mut answer).map_err(words)?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split_whitespace().nth(1).unwrap_or_default();
        if status == "200" {
            Ok(())
        } else {
            Err(format!("it answered {}", answer.lines().next().unwrap_or("nothing")))
        }
    }

    /// Says what was sent, and what was not.
    fn tell(&self, quiet: bool) {
        let left_out = self.left_out.load(Ordering::Relaxed);
        let Collector { host, port, .. } = &self.collector;
        if let (Some(why), true) = (&self.why, left_out > 0) {
            let (sent, all) = (count(self.sent), count(self.sent + left_out));
            say(&format!("traces: {sent} of {all} were sent to {host}:{port}: {why}; check --otlp"));
        } else if left_out > 0 {
            say(&format!("traces: {} were left out, because {host}:{port} was too slow for them", count(left_out)));
        } else if !quiet {
            say(&format!("traces: {} were sent to {host}:{port}", count(self.sent)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::export::listener::head_of;
    use crate::metrics::examples::{status, streamed};

    #[test]
    fn a_span_has_the_instants_of_its_request() {
        let ids = || ["0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned()];
        let fine = span_of(&streamed(7, 1.0, 0.15, 3, 0.03), 1_000, (2, "20/s"), ids());
        let failed = span_of(&status(streamed(8, 1.1, 0.1, 5, 0.03), 503, 1.2), 1_000, (2, "20/s"), ids());
        insta::assert_snapshot!("spans", serde_json::to_string_pretty(&[fine, failed]).unwrap());
    }

    #[test]
    fn all_spans_of_a_sample_reach_the_collector() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut all = head_of(&mut client).unwrap();
            let text = String::from_utf8_lossy(&all).into_owned();
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            let length = head.split("Content-Length: ").nth(1).unwrap().lines().next().unwrap();
            let whole = head.len() + 4 + length.parse::<usize>().unwrap();
            let mut rest = vec![0; whole - all.len()];
            client.read_exact(&mut rest).unwrap();
            all.extend(rest);
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
            (head.lines().next().unwrap().to_owned(), serde_json::from_slice::<Value>(&all[head.len() + 4..]).unwrap())
        });
        let traces = Traces::open(url.parse().unwrap(), "50%".parse().unwrap(), true).unwrap();
        (0..100).for_each(|id| traces.settled(&streamed(id, 1.0, 0.15, 3, 0.03), UNIX_EPOCH, (1, "run")));
        drop(traces);
        let (line, body) = received.join().unwrap();
        assert_eq!(line, "POST /v1/traces HTTP/1.1");
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len();
        assert!((25..=75).contains(&spans), "{spans} of 100 at 50 %");
    }
}
