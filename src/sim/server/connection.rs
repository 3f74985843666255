//! Owns one connection: reads requests and writes responses at their instants.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::client::Endpoint;
use crate::sim::DEFAULT_OUTPUT_TOKENS;
use crate::sim::engine::{Request, Setup};
use crate::sim::exposition::exposition;
use crate::sim::fault::{Break, Fate, Instead};
use crate::sim::live::Coming;
use crate::sim::script::{self, Ending, Script, Wish};
use crate::sim::server::request::{Head, Route, parse_head, prompt_blocks};
use crate::sim::server::shared::{Scratch, Shared};
use crate::sim::server::truth::{Came, Ended, Entry};
use crate::sim::server::wire::{append_chunk, error_body, metrics_page, respond, response, stream_head, write_all};
use crate::units::Offset;

/// Events due at one instant leave in one write of up to about this size, in bytes.
const MOST_WRITE_BYTES: usize = 64 << 10;
/// An idle connection keeps a read buffer of at most this size.
const MOST_IDLE_BYTES: usize = 8 << 10;

/// Whether the connection may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Next,
    /// FIN, once all bytes are out.
    Close,
    /// RST.
    Reset,
}

/// Serves a connection until one side closes it.
pub(super) async fn serve(shared: &Shared, stream: &TcpStream) {
    // An error here means that the client left. The truth log records this; no other part needs it.
    let _ = requests(shared, stream).await;
}

async fn requests(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    let accepted = shared.clock.now();
    shared.receiver.prepare(stream);
    let mut received = accepted;
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_request(shared, stream, &mut buffer, &mut received).await? else {
            return Ok(());
        };
        let end = head.length + head.body;
        let keep_alive = head.keep_alive;
        let after = answer(shared, stream, (accepted, received), &head, &buffer[head.length..end]).await?;
        match after {
            After::Next if keep_alive => {}
            After::Next | After::Close => return close(shared, stream).await,
            After::Reset => return stream.set_zero_linger(),
        }
        buffer.drain(..end);
        if buffer.is_empty() && buffer.capacity() > MOST_IDLE_BYTES {
            buffer = Vec::new();
        }
    }
}

/// Reads until `buffer` begins with one whole request; `None` when the client closed or was silent for too long.
/// `received` becomes the instant at which the kernel received the last bytes.
async fn read_request(
    shared: &Shared,
    stream: &TcpStream,
    buffer: &mut Vec<u8>,
    received: &mut Offset,
) -> io::Result<Option<Head>> {
    let mut head: Option<Head> = None;
    loop {
        if head.is_none() && !buffer.is_empty() {
            match parse_head(buffer) {
                Ok(parsed) => head = parsed,
                Err(bad) => {
                    respond(stream, bad.0, &error_body(bad.0, "BadRequestError", bad.1), false).await?;
                    close(shared, stream).await?;
                    return Ok(None);
                }
            }
            if let Some(found) = &mut head {
                if std::mem::take(&mut found.wants_continue) && buffer.len() < found.length + found.body {
                    write_all(stream, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                }
                buffer.reserve((found.length + found.body).saturating_sub(buffer.len()).min(1 << 20));
            }
        }
        if head.as_ref().is_some_and(|head| buffer.len() >= head.length + head.body) {
            return Ok(head);
        }
        let read = shared.receiver.try_read(stream, &mut shared.scratch.borrow_mut().read);
        match read {
            Ok((0, _)) => return Ok(None),
            Ok((length, age)) => {
                *received = shared.clock.now().minus(age.unwrap_or_default());
                buffer.extend_from_slice(&shared.scratch.borrow().read[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match tokio::time::timeout(shared.keep_alive, stream.readable()).await {
                    Ok(ready) => ready?,
                    Err(_) => return Ok(None),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

async fn answer(
    shared: &Shared,
    stream: &TcpStream,
    (accepted, received): (Offset, Offset),
    head: &Head,
    body: &[u8],
) -> io::Result<After> {
    let arrived = shared.clock.now();
    let fail = |status: u16, kind: &'static str, why: String| async move {
        respond(stream, status, &error_body(status, kind, &why), head.keep_alive).await?;
        Ok(After::Next)
    };
    let authorized = shared.authorization.is_none() || head.authorization.as_deref() == shared.authorization.as_deref();
    match head.route {
        Route::Health => {
            respond(stream, 200, b"", head.keep_alive).await?;
            Ok(After::Next)
        }
        Route::Metrics => match shared.desk.engine() {
            Some(live) => {
                live.advance_to(arrived);
                let page = metrics_page(&exposition(&live.borrow(), &shared.model_json), head.keep_alive);
                write_all(stream, &page).await?;
                Ok(After::Next)
            }
            None => {
                fail(404, "NotFoundError", "only an engine has metrics; this is a delay or a queue".to_owned()).await
            }
        },
        Route::Unknown => fail(404, "NotFoundError", "Not Found".to_owned()).await,
        Route::WrongMethod => fail(405, "MethodNotAllowed", "Method Not Allowed".to_owned()).await,
        Route::Models | Route::Answer(_) if !authorized => {
            fail(401, "AuthenticationError", "Unauthorized".to_owned()).await
        }
        Route::Models => {
            let created = created_s(shared, Offset::ZERO);
            let (name, most_tokens) = (&shared.model_json, shared.desk.context_tokens());
            let body = format!(
                r#"{{"object":"list","data":[{{"id":"{name}","object":"model","created":{created},"owned_by":"tonnage","root":"{name}","parent":null,"max_model_len":{most_tokens}}}]}}"#
            );
            respond(stream, 200, body.as_bytes(), head.keep_alive).await?;
            Ok(After::Next)
        }
        Route::Answer(endpoint) => match parse_body(shared, endpoint, body) {
            Ok((wish, streamed)) => {
                let blocks = match shared.desk.engine() {
                    Some(_) => prompt_blocks(body, endpoint, Setup::BLOCK_TOKENS),
                    None => Vec::new(),
                };
                played(shared, stream, head, Came { accepted, received, arrived }, (wish, &blocks), streamed).await
            }
            Err((status, kind, why)) => fail(status, kind, why).await,
        },
    }
}

/// The request in a body, and whether it wants a stream. The error is the status, type and message of the refusal, as
/// vLLM gives them.
fn parse_body(shared: &Shared, endpoint: Endpoint, body: &[u8]) -> Result<(Wish, bool), (u16, &'static str, String)> {
    let bad = |why: String| (400, "BadRequestError", why);
    let dialect = endpoint.dialect();
    let asked = dialect.read_request(body).map_err(|error| bad(error.to_string()))?;
    if let Some(model) = asked.model.as_deref().filter(|model| *model != shared.model_name) {
        return Err((404, "NotFoundError", format!("The model `{model}` does not exist.")));
    }
    let prompt_tokens = asked.prompt_tokens.map_err(|why| bad(why.to_owned()))?;
    let length = asked.output_tokens;
    let most_tokens = shared.desk.context_tokens();
    // Without output tokens, a response is ready when the prompt has been read: at the first token of others.
    let generates = dialect.capabilities().output_tokens;
    let output_tokens = if generates { length.unwrap_or(DEFAULT_OUTPUT_TOKENS) } else { 1 };
    if !(1..=most_tokens).contains(&output_tokens) {
        return Err(bad(format!("max_tokens must be 1 to {most_tokens}")));
    }
    if shared.desk.engine().is_some()
        && u64::from(prompt_tokens.max(1)) + u64::from(output_tokens) > u64::from(most_tokens)
    {
        let what = dialect.prompt_key();
        return Err(bad(format!(
            "This model's maximum context length is {most_tokens} tokens. However, you requested {output_tokens} \
             output tokens and your \
             prompt contains {prompt_tokens} input tokens. Please reduce the length of the {what} or of the completion."
        )));
    }
    if asked.candidates.is_some_and(|n| n != 1) {
        return Err(bad("the simulated server gives one choice: n must be 1".to_owned()));
    }
    let wish = Wish {
        endpoint,
        sequence: 0,
        created_s: 0,
        prompt_tokens,
        output_tokens,
        length_asked: length.is_some(),
        usage_at_end: asked.usage_at_end,
        usage_in_each: asked.usage_in_each,
        items: asked.items,
    };
    Ok((wish, asked.streamed && dialect.capabilities().streams))
}

async fn played(
    shared: &Shared,
    stream: &TcpStream,
    head: &Head,
    came: Came,
    (wish, blocks): (Wish, &[u64]),
    streamed: bool,
) -> io::Result<After> {
    let arrived = came.arrived;
    let sequence = shared.sequence.get();
    shared.sequence.set(sequence + 1);
    let wish = Wish { sequence, created_s: created_s(shared, arrived), ..wish };
    let fate = shared.faults.fate(sequence);
    let mut entry = Entry::new(&shared.ledger, sequence, came, head.request_id.clone());
    entry.row().input_tokens = wish.prompt_tokens;
    let result = if let Some(instead) = fate.instead {
        in_place(shared, stream, head, arrived, instead, &fate, &mut entry).await
    } else {
        let coming = hand_in(shared, arrived, &wish, blocks, &fate)?;
        if let Some(first) = coming.planned_first_token() {
            entry.planned_first_token(shared.faults.held(first.plus(fate.delay)));
        }
        if streamed {
            stream_answer(shared, stream, arrived, coming, &wish, &fate, &mut entry).await
        } else {
            whole_answer(shared, stream, head, coming, &wish, &fate, &mut entry).await
        }
    };
    if result.is_err() {
        entry.row().ended = Ended::ClientLeft;
    }
    result
}

/// Hands a request to the simulated server. `parse_body` has already checked that the request fits.
fn hand_in(shared: &Shared, arrived: Offset, wish: &Wish, blocks: &[u64], fate: &Fate) -> io::Result<Coming> {
    let output_tokens = if fate.never_ends {
        shared.desk.context_tokens().saturating_sub(wish.prompt_tokens.max(1))
    } else {
        wish.output_tokens
    };
    let block_tokens = Setup::BLOCK_TOKENS;
    let request =
        Request { tag: Request::NOBODY, prompt_tokens: wish.prompt_tokens, output_tokens, blocks, block_tokens };
    let coming = shared.desk.arrive(arrived, request).map_err(|_| io::Error::other("a request exceeds the context"))?;
    let coming = if wish.length_asked { coming } else { coming.stopping() };
    Ok(if fate.never_ends { coming.endless() } else { coming })
}

/// Waits for the instant of a token. Fails when the client leaves before; an engine then cancels the request.
async fn reach(stream: &TcpStream, coming: &mut Coming, token: u32) -> io::Result<Offset> {
    if let Some(at) = coming.at(token) {
        return Ok(at);
    }
    tokio::select! {
        biased;
        at = coming.reach(token) => Ok(at),
        () = client_left(stream) => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

/// Ready when the client has closed; never ready once the client has sent more bytes.
async fn client_left(stream: &TcpStream) {
    if stream.peek(&mut [0]).await.is_ok_and(|length| length > 0) {
        std::future::pending::<()>().await;
    }
}

/// Sends a fault in place of a response. The simulated server never sees the request.
async fn in_place(
    shared: &Shared,
    stream: &TcpStream,
    head: &Head,
    arrived: Offset,
    instead: Instead,
    fate: &Fate,
    entry: &mut Entry<'_>,
) -> io::Result<After> {
    let due = shared.faults.held(arrived.plus(fate.delay));
    entry.row().ended = Ended::Fault;
    match instead {
        Instead::Status(status) => {
            entry.row().status = status;
            shared.timers.sleep_until(due).await;
            entry.wrote(due, shared.clock.now(), 0);
            respond(stream, status, &error_body(status, "InjectedFault", "injected fault"), head.keep_alive).await?;
            Ok(After::Next)
        }
        Instead::Nothing => {
            entry.row().status = 0;
            until_client_leaves(shared, stream).await?;
            Ok(After::Close)
        }
        Instead::Garbage => {
            entry.row().status = 0;
            shared.timers.sleep_until(due).await;
            entry.wrote(due, shared.clock.now(), 0);
            write_all(stream, b"\x16\x03\x01 this is not HTTP \xff\xfe\r\n\r\n").await?;
            Ok(After::Close)
        }
    }
}

async fn stream_answer(
    shared: &Shared,
    stream: &TcpStream,
    arrived: Offset,
    mut coming: Coming,
    wish: &Wish,
    fate: &Fate,
    entry: &mut Entry<'_>,
) -> io::Result<After> {
    // As in vLLM, a streaming server sends its head before it has a token; the response of a queue leaves in one
    // piece.
    let framing = wish.endpoint.framing();
    let stream_head = stream_head(framing);
    let mut head_is_out = false;
    if !coming.is_burst() {
        let due = shared.faults.held(arrived.plus(fate.delay));
        shared.timers.sleep_until(due).await;
        entry.wrote(due, shared.clock.now(), 0);
        write_all(stream, stream_head).await?;
        head_is_out = true;
    }
    let mut script = Script::new(*wish, &shared.model_json, fate);
    while let Some(token) = script.next_token() {
        let at = reach(stream, &mut coming, token).await?;
        let due = shared.faults.held(at.plus(fate.delay));
        if script.sent() == 0 {
            entry.planned_first_token(due);
            script.note_cached(coming.cached_tokens());
        }
        shared.timers.sleep_until(due).await;
        let written = {
            let scratch = &mut *shared.scratch.borrow_mut();
            scratch.events.clear();
            while let Some(token) = script.next_token()
                && coming.at(token) == Some(at)
                && scratch.events.len() < MOST_WRITE_BYTES
            {
                script.emit(&mut scratch.events);
            }
            entry.wrote(due, shared.clock.now(), script.sent());
            if fate.split {
                Err(scratch.events.clone())
            } else {
                Ok(scratch.write(stream, if head_is_out { b"" } else { stream_head }, last_chunk(&script))?)
            }
        };
        match written {
            Ok(None) => {}
            Ok(Some(rest)) => write_all(stream, &rest).await?,
            Err(events) => {
                if !head_is_out {
                    write_all(stream, stream_head).await?;
                }
                in_odd_pieces(stream, &script::odd_lines(&events, framing), last_chunk(&script)).await?;
            }
        }
        head_is_out = true;
    }
    let ending = script.ending();
    entry.row().ended = if ending == Ending::Whole { Ended::Whole } else { Ended::Fault };
    Ok(after(ending))
}

/// Whether the HTTP body ends now.
fn last_chunk(script: &Script<'_>) -> bool {
    script.next_token().is_none() && matches!(script.ending(), Ending::Whole | Ending::Cut)
}

fn after(ending: Ending) -> After {
    match ending {
        Ending::Whole => After::Next,
        Ending::Cut | Ending::Drop => After::Close,
        Ending::Reset => After::Reset,
    }
}

impl Scratch {
    /// Writes `head`, and `events` as one HTTP chunk; returns the bytes that the socket did not accept.
    fn write(&mut self, stream: &TcpStream, head: &[u8], last: bool) -> io::Result<Option<Vec<u8>>> {
        self.out.clear();
        self.out.extend_from_slice(head);
        append_chunk(&mut self.out, &self.events);
        if last {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        let rest = match stream.try_write(&self.out) {
            Ok(length) if length == self.out.len() => None,
            Ok(length) => Some(self.out[length..].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(self.out.clone()),
            Err(error) => return Err(error),
        };
        // A large burst is rare; its buffer is not kept.
        self.out.shrink_to(MOST_WRITE_BYTES * 2);
        Ok(rest)
    }
}

/// Sends each piece as its own chunk in its own write, and yields so that the client can read the piece alone.
async fn in_odd_pieces(stream: &TcpStream, events: &[u8], last: bool) -> io::Result<()> {
    for piece in script::odd_pieces(events) {
        let mut out = Vec::with_capacity(piece.len() + 8);
        append_chunk(&mut out, piece);
        write_all(stream, &out).await?;
        tokio::task::yield_now().await;
    }
    if last { write_all(stream, b"0\r\n\r\n").await } else { Ok(()) }
}

async fn whole_answer(
    shared: &Shared,
    stream: &TcpStream,
    head: &Head,
    mut coming: Coming,
    wish: &Wish,
    fate: &Fate,
    entry: &mut Entry<'_>,
) -> io::Result<After> {
    if fate.never_ends {
        until_client_leaves(shared, stream).await?;
        entry.row().ended = Ended::Fault;
        return Ok(After::Close);
    }
    let last = reach(stream, &mut coming, script::whole_tokens(wish, fate).max(1)).await?;
    let (body, tokens) = script::whole(wish, &shared.model_json, fate, coming.cached_tokens());
    let due = shared.faults.held(last.plus(fate.delay));
    shared.timers.sleep_until(due).await;
    entry.wrote(due, shared.clock.now(), tokens);
    let ending = match script::breaks_within(wish, fate, tokens) {
        Some((_, Break::Drop | Break::Cut)) => Ending::Drop,
        Some((_, Break::Reset)) => Ending::Reset,
        _ => Ending::Whole,
    };
    entry.row().ended = if ending == Ending::Whole { Ended::Whole } else { Ended::Fault };
    if ending == Ending::Whole {
        respond(stream, 200, &body, head.keep_alive).await?;
    } else {
        let whole = response(200, &body, true);
        write_all(stream, &whole[..whole.len() - body.len() / 2 - 1]).await?;
    }
    Ok(after(ending))
}

/// Discards what the client sends until it closes.
async fn until_client_leaves(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let read = stream.try_read(&mut shared.scratch.borrow_mut().read);
        match read {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn created_s(shared: &Shared, at: Offset) -> u64 {
    let wall = shared.clock.wall() + Duration::from_nanos(at.as_nanos());
    wall.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Sends FIN, then waits for the client's FIN for at most a second. Closing with unread bytes would send RST and
/// destroy data on its way to the client.
async fn close(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write)?;
    tokio::time::timeout(Duration::from_secs(1), until_client_leaves(shared, stream)).await.unwrap_or(Ok(()))
}
