//! Owns the measurement of the client's own cost: CPU per event and per request, added time to first token, memory
//! per stream.
//!
//! `cargo bench --bench wire`. The server is another process of this program, so that only the client's CPU is counted.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and fails by panicking")]

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tonnage::client::{Addresses, Client, Departure, Encoder, HttpClient, Limits, RequestOptions, Target, Tls};
use tonnage::clock::{Pacer, Pacing, RunClock};
use tonnage::record::{Exchange, Outcome};
use tonnage::units::Offset;
use tonnage::workload::{Outline, RequestSpec};

/// A server's response: `segments` writes, `gap` apart, of `events` events each.
#[derive(Clone, Copy)]
struct Answer {
    segments: u32,
    events: u32,
    gap: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) == Some("serve") {
        let number = |i: usize| arguments[i].parse::<u32>().unwrap();
        return serve(Answer { segments: number(2), events: number(3), gap: Duration::from_millis(number(4).into()) });
    }
    println!("client CPU on loopback, one thread; 254-byte events");
    let trickle = Answer { segments: 128, events: 1, gap: Duration::from_millis(5) };
    report("64 streams, one event a segment, 5 ms apart", "µs/event", crowd(trickle, 64, 20));
    let coalesced = Answer { segments: 32, events: 16, gap: Duration::from_millis(5) };
    report("64 streams, 16 events a segment, 5 ms apart", "µs/event", crowd(coalesced, 64, 20));
    let short = Answer { segments: 1, events: 1, gap: Duration::ZERO };
    report("64 at once, one event an answer", "µs/request", crowd(short, 64, 400));
    open_loop(500.0, 2500);
    many_streams();
}

fn report(what: &str, unit: &str, cost_us: f64) {
    println!("{what:<48} {cost_us:>7.2} {unit}");
}

/// CPU microseconds per event when `streams` tasks send `rounds` requests each, one after another.
fn crowd(answer: Answer, streams: u64, rounds: u64) -> f64 {
    let (server, target) = start(answer);
    let cpu_us = runtime().block_on(async {
        let bench = Rc::new(Bench::new(&target).await);
        bench.ask(0).await;
        let before = cpu_us();
        let tasks: Vec<_> = (0..streams)
            .map(|stream| {
                let bench = bench.clone();
                tokio::task::spawn_local(async move {
                    for round in 0..rounds {
                        let exchange = bench.ask(stream * rounds + round).await;
                        assert_eq!(
                            (exchange.outcome, exchange.events),
                            (Outcome::Completed, answer.segments * answer.events)
                        );
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        cpu_us() - before
    });
    stop(server);
    cpu_us / (streams * rounds) as f64 / f64::from(answer.segments * answer.events)
}

/// Time to first token at an even rate, from a server that responds at once: what the client and loopback add.
fn open_loop(rate_per_s: f64, requests: u64) {
    let (server, target) = start(Answer { segments: 1, events: 1, gap: Duration::ZERO });
    runtime().block_on(async {
        let bench = Rc::new(Bench::new(&target).await);
        let gap = Duration::from_secs_f64(1.0 / rate_per_s);
        let mut pacer = Pacer::new(bench.clock, Pacing::Precise);
        let latencies: Rc<RefCell<Vec<(Duration, Duration)>>> = Rc::default();
        let start = bench.clock.now().plus(Duration::from_millis(50));
        let mut next = bench.call(0);
        for id in 0..requests {
            let at = start.plus(gap * u32::try_from(id).unwrap());
            bench.client.reserve(&next);
            pacer.sleep_until(at).await;
            let sent = bench.clock.now();
            let call = std::mem::replace(&mut next, bench.call(id + 1));
            let (bench, latencies) = (bench.clone(), latencies.clone());
            tokio::task::spawn_local(async move {
                let exchange = bench.send(call, sent).await;
                let since_sent = |instant: Option<Offset>| instant.unwrap().since(sent);
                latencies.borrow_mut().push((since_sent(exchange.written), since_sent(exchange.first_token)));
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let latencies = latencies.borrow();
        for (what, pick) in [
            ("sent to written", (|pair| pair.0) as fn(&(Duration, Duration)) -> Duration),
            ("sent to first token", |pair| pair.1),
        ] {
            let mut sorted: Vec<Duration> = latencies.iter().map(pick).collect();
            sorted.sort_unstable();
            let quantile = |q: f64| sorted[(q * (sorted.len() - 1) as f64) as usize].as_secs_f64() * 1e6;
            println!(
                "{:<48} {:>7.0} µs p50 {:>7.0} µs p99",
                format!("{rate_per_s}/s, {what}"),
                quantile(0.5),
                quantile(0.99)
            );
        }
    });
    stop(server);
}

/// Memory of ten thousand open streams.
fn many_streams() {
    let streams: u64 = 10_000;
    if Limits::raised_for(streams).descriptors < streams + 100 {
        println!("too few descriptors for {streams} streams");
        return;
    }
    let (server, target) = start(Answer { segments: 6, events: 1, gap: Duration::from_secs(2) });
    runtime().block_on(async {
        let bench = Rc::new(Bench::new(&target).await);
        let before = resident_mib();
        let tasks: Vec<_> = (0..streams)
            .map(|id| {
                let bench = bench.clone();
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(Duration::from_micros(id * 400)).await;
                    bench.ask(id).await.outcome == Outcome::Completed
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(6)).await;
        let during = resident_mib();
        let mut completed = 0;
        for task in tasks {
            completed += u64::from(task.await.unwrap());
        }
        println!(
            "{:<48} {:>7.0} MiB ({completed} of {streams} completed)",
            format!("{streams} open streams, resident"),
            during - before
        );
    });
    stop(server);
}

struct Bench {
    client: Rc<HttpClient>,
    encoder: Encoder,
    clock: RunClock,
}

impl Bench {
    async fn new(url: &str) -> Self {
        let options = RequestOptions::new(vec![Target::parse(url).unwrap()], vec!["m".to_owned()]);
        let addresses = Addresses::of(&options.targets, &Tls::nobody().unwrap()).await.unwrap();
        let client = Rc::new(HttpClient::new(&addresses, Duration::from_secs(10), 0));
        Self { client, encoder: Encoder::new(&options).unwrap(), clock: RunClock::starting_in(Duration::ZERO) }
    }

    fn call(&self, id: u64) -> <HttpClient as Client>::Call {
        let outline = Outline::single(id, 128, 64);
        HttpClient::prepare(&self.encoder, RequestSpec::of_text(outline, "some words of a prompt ".repeat(20)))
    }

    async fn send(&self, call: <HttpClient as Client>::Call, sent: Offset) -> Exchange {
        let mut exchange = Exchange { sent: Some(sent), ..Exchange::default() };
        self.client.clone().send(call, self.clock, &Departure::at(self.clock.now()), &mut exchange).await;
        exchange
    }

    async fn ask(&self, id: u64) -> Exchange {
        self.send(self.call(id), self.clock.now()).await
    }
}

fn runtime() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap()
}

fn cpu_us() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn start(answer: Answer) -> (Child, String) {
    let arguments = [answer.segments.to_string(), answer.events.to_string(), answer.gap.as_millis().to_string()];
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut server = command.arg("serve").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (server, url.trim().to_owned())
}

fn stop(mut server: Child) {
    server.kill().unwrap();
    server.wait().unwrap();
}

fn serve(answer: Answer) {
    let _ = Limits::raised_for(20_000);
    runtime().block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(4096).unwrap();
        println!("http://{}", listener.local_addr().unwrap());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::task::spawn_local(async move {
                // The conversation ends when the client closes.
                let _ = converse(socket, answer).await;
            });
        }
    });
}

async fn converse(mut socket: TcpStream, answer: Answer) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let filler = "x".repeat(131);
    let delta = |content: &str, finish: &str| {
        format!(
            r#"{{"id":"chatcmpl-{filler}","object":"chat.completion.chunk","choices":[{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":{finish}}}]}}"#
        )
    };
    let chunk = |data: &str| format!("{:x}\r\ndata: {data}\n\n\r\n", data.len() + 8);
    let segment = chunk(&delta(" word", "null")).repeat(answer.events as usize);
    let end = format!("{}{}0\r\n\r\n", chunk(&delta("", "\"length\"")), chunk("[DONE]"));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut request = vec![0; 16_384];
    loop {
        // Requests of this benchmark are small and come one at a time: one read is one request.
        if socket.read(&mut request).await? == 0 {
            return Ok(());
        }
        for number in 0..answer.segments {
            // Even a sleep of length 0 would end on the next millisecond.
            if !answer.gap.is_zero() {
                tokio::time::sleep(answer.gap).await;
            }
            let (first, last) = (number == 0, number + 1 == answer.segments);
            let text = format!("{}{segment}{}", if first { head } else { "" }, if last { &end } else { "" });
            socket.write_all(text.as_bytes()).await?;
        }
    }
}
