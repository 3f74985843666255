//! Owns `/tokenize` and `/detokenize`: request and answer in vLLM's form.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Endpoint;
use crate::client::dialect::PromptPart;
use crate::sim::server::vocabulary::Vocabulary;

/// The status, the type and the message of a refusal.
pub(super) type Refused = (u16, &'static str, String);

#[derive(Deserialize)]
struct Asked {
    model: Option<String>,
    /// A bare text, as for completions.
    prompt: Option<String>,
    /// Messages, as for chat.
    messages: Option<Value>,
    return_token_strs: Option<bool>,
}

#[derive(Deserialize)]
struct AskedBack {
    model: Option<String>,
    tokens: Vec<u64>,
}

fn bad(why: &impl ToString) -> Refused {
    (400, "BadRequestError", why.to_string())
}

/// The refusal of a model that the server does not have.
pub(super) fn no_model(model: &str) -> Refused {
    (404, "NotFoundError", format!("The model `{model}` does not exist."))
}

fn check_model(asked: Option<&str>, model: &str) -> Result<(), Refused> {
    asked.filter(|asked| *asked != model).map_or(Ok(()), |asked| Err(no_model(asked)))
}

/// The answer to `/tokenize`: as many tokens as the same prompt has in a request of chat or completions.
pub(super) fn tokenize(
    vocabulary: &mut Vocabulary,
    model: &str,
    context_tokens: u32,
    body: &[u8],
) -> Result<Value, Refused> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| bad(&error))?;
    check_model(asked.model.as_deref(), model)?;
    let (mut ids, mut room) = (Vec::new(), Some(()));
    match (&asked.prompt, asked.messages) {
        (Some(prompt), None) => room = vocabulary.encode(prompt, &mut ids),
        (None, Some(messages)) if messages.is_array() => {
            let body = json!({ "messages": messages });
            Endpoint::default().dialect().for_each_prompt_part(&body, &mut |part| {
                if let PromptPart::Text(text) = part {
                    room = room.and_then(|()| vocabulary.encode(text, &mut ids));
                }
            });
        }
        _ => return Err(bad(&"either a text in `prompt` or a list in `messages` is needed")),
    }
    room.ok_or_else(|| bad(&"the simulated server has seen too many different words; start it again"))?;
    let words = || ids.iter().filter_map(|id| vocabulary.word(u64::from(*id))).collect::<Vec<_>>();
    let words = asked.return_token_strs.unwrap_or(false).then(words);
    Ok(json!({ "count": ids.len(), "max_model_len": context_tokens, "tokens": ids, "token_strs": words }))
}

/// The answer to `/detokenize`.
pub(super) fn detokenize(vocabulary: &Vocabulary, model: &str, body: &[u8]) -> Result<Value, Refused> {
    let asked: AskedBack = serde_json::from_slice(body).map_err(|error| bad(&error))?;
    check_model(asked.model.as_deref(), model)?;
    let mut text = String::new();
    for id in asked.tokens {
        let unknown = || bad(&format!("token id {id} is out of vocabulary: /tokenize has not given it"));
        text.push_str(vocabulary.word(id).ok_or_else(unknown)?);
    }
    Ok(json!({ "prompt": text }))
}
