//! Owns what each route answers: the pages, and the checks of a request that asks for tokens.

use std::io;

use serde_json::{Value, json};

use crate::client::Endpoint;
use crate::client::dialect::ServedRequest;
use crate::sim::DEFAULT_OUTPUT_TOKENS;
use crate::sim::engine::Setup;
use crate::sim::exposition::exposition;
use crate::sim::script::Wish;
use crate::sim::server::generating::{Asked, generate};
use crate::sim::server::request::{Head, Route, prompt_blocks};
use crate::sim::server::shared::Shared;
use crate::sim::server::tokenize::{Refused, detokenize, no_model, tokenize};
use crate::sim::server::truth::Came;
use crate::sim::server::way::{After, Way};
use crate::sim::server::wire::{METRICS_TYPE, Page, error_body};
use crate::sim::words::Stops;
use crate::units::Offset;

/// Most choices of one response, over all of its prompts.
const MOST_CHOICES: usize = 256;

/// A request that has come whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    /// When its connection was accepted.
    pub(super) accepted: Offset,
    /// When the kernel received its last byte.
    pub(super) received: Offset,
    pub(super) head: &'a Head,
    pub(super) body: &'a [u8],
}

/// Answers a request.
pub(super) async fn answer(shared: &Shared, way: &Way<'_>, asking: Asking<'_>) -> io::Result<After> {
    let Asking { accepted, received, head, body } = asking;
    let arrived = shared.clock.now();
    let authorized = shared.authorization.is_none() || head.authorization.as_deref() == shared.authorization.as_deref();
    let page = match &head.route {
        Route::Models | Route::Model(_) | Route::Answer(_) | Route::ResetCache if !authorized => {
            Err((401, "AuthenticationError", "Unauthorized".to_owned()))
        }
        Route::Answer(endpoint) => match parse_body(shared, *endpoint, body) {
            Ok(asked) => {
                let came = Came { accepted, received, arrived };
                return generate(shared, way, came, head.request_id.as_deref(), asked).await;
            }
            Err(refused) => Err(refused),
        },
        Route::Metrics => match shared.desk.engine() {
            Some(live) => {
                live.advance_to(arrived);
                let text = exposition(&live.borrow(), &shared.model_json);
                way.respond(Page { status: 200, content_type: METRICS_TYPE, body: text.as_bytes() }).await?;
                return Ok(After::Next);
            }
            None => Err((404, "NotFoundError", "only an engine has metrics; this is a delay or a queue".to_owned())),
        },
        Route::ResetCache if shared.desk.engine().is_none() => {
            Err((404, "NotFoundError", "only an engine has a prefix cache; this is a delay or a queue".to_owned()))
        }
        Route::ResetCache => {
            if let Some(live) = shared.desk.engine() {
                live.advance_to(arrived);
                live.reset_cache();
            }
            way.respond(Page::json(200, b"")).await?;
            return Ok(After::Next);
        }
        Route::Health => {
            way.respond(Page::json(200, b"")).await?;
            return Ok(After::Next);
        }
        Route::Models => Ok(json!({ "object": "list", "data": [model(shared)] })),
        Route::Model(name) if **name == *shared.model_name => Ok(model(shared)),
        Route::Model(name) => Err(no_model(name)),
        Route::Tokenize => {
            let vocabulary = &mut shared.vocabulary.borrow_mut();
            tokenize(vocabulary, &shared.model_name, shared.desk.context_tokens(), body)
        }
        Route::Detokenize => detokenize(&shared.vocabulary.borrow(), &shared.model_name, body),
        Route::Unknown => Err((404, "NotFoundError", "Not Found".to_owned())),
        Route::WrongMethod => Err((405, "MethodNotAllowed", "Method Not Allowed".to_owned())),
    };
    let (status, body) = match page {
        Ok(page) => (200, page.to_string().into_bytes()),
        Err((status, kind, why)) => (status, error_body(status, kind, &why)),
    };
    way.respond(Page::json(status, &body)).await?;
    Ok(After::Next)
}

/// The one model.
fn model(shared: &Shared) -> Value {
    let (name, created) = (&shared.model_name, shared.created_s(Offset::ZERO));
    json!({
        "id": name, "object": "model", "created": created, "owned_by": "tonnage", "root": name, "parent": null,
        "max_model_len": shared.desk.context_tokens(),
    })
}

/// The request in a body. The error is the status, type and message of the refusal, as vLLM gives them.
fn parse_body(shared: &Shared, endpoint: Endpoint, body: &[u8]) -> Result<Asked, Refused> {
    let bad = |why: String| (400, "BadRequestError", why);
    let dialect = endpoint.dialect();
    let asked = dialect.read_request(body).map_err(|error| bad(error.to_string()))?;
    if let Some(model) = asked.model.as_deref().filter(|model| *model != shared.model_name) {
        return Err(no_model(model));
    }
    let prompt_tokens = asked.prompt_tokens.map_err(|why| bad(why.to_owned()))?;
    let prompts = if asked.each_prompt.is_empty() { vec![prompt_tokens] } else { asked.each_prompt.clone() };
    let per_prompt = choices_of_a_prompt(&asked, prompts.len()).map_err(bad)?;
    // Without output tokens, a response is ready when the prompt has been read: at the first token of others.
    let generates = dialect.capabilities().output_tokens;
    let output_tokens = if generates { asked.output_tokens.unwrap_or(DEFAULT_OUTPUT_TOKENS) } else { 1 };
    for prompt_tokens in &prompts {
        check_lengths(shared, *prompt_tokens, output_tokens, dialect.prompt_key()).map_err(bad)?;
    }
    let wish = |choice: usize, prompt_tokens: u32| Wish {
        endpoint,
        sequence: 0,
        created_s: 0,
        choice: choice as u32,
        prompt_tokens,
        output_tokens,
        met: None,
        length_asked: asked.output_tokens.is_some(),
        usage_at_end: asked.usage_at_end,
        usage_in_each: asked.usage_in_each,
        stops: !asked.stops.is_empty(),
        items: asked.items,
    };
    let of_choices = prompts.iter().flat_map(|tokens| std::iter::repeat_n(*tokens, per_prompt));
    let wishes = of_choices.enumerate().map(|(choice, tokens)| wish(choice, tokens)).collect();
    let blocks = match shared.desk.engine() {
        Some(_) => prompt_blocks(body, endpoint, Setup::BLOCK_TOKENS),
        None => Vec::new(),
    };
    let streamed = asked.streamed && dialect.capabilities().streams;
    Ok(Asked { wishes, per_prompt, prompt_tokens, blocks, stops: Stops::new(asked.stops), streamed })
}

/// Choices that answer each of `prompts` prompts.
fn choices_of_a_prompt(asked: &ServedRequest<'_>, prompts: usize) -> Result<usize, String> {
    let most = MOST_CHOICES / prompts;
    match asked.candidates.unwrap_or(1) as usize {
        0 => Err("n must be at least 1, got 0".to_owned()),
        n if n <= most => Ok(n),
        n => Err(format!(
            "the simulated server gives at most {MOST_CHOICES} choices, and {prompts} prompts ask for {n} \
            each"
        )),
    }
}

fn check_lengths(shared: &Shared, prompt_tokens: u32, output_tokens: u32, what: &str) -> Result<(), String> {
    let most_tokens = shared.desk.context_tokens();
    if !(1..=most_tokens).contains(&output_tokens) {
        return Err(format!("max_tokens must be 1 to {most_tokens}"));
    }
    if shared.desk.engine().is_some()
        && u64::from(prompt_tokens.max(1)) + u64::from(output_tokens) > u64::from(most_tokens)
    {
        return Err(format!(
            "This model's maximum context length is {most_tokens} tokens. However, you requested {output_tokens} \
             output tokens and your \
             prompt contains {prompt_tokens} input tokens. Please reduce the length of the {what} or of the completion."
        ));
    }
    Ok(())
}
