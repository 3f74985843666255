//! Owns `Choices`: a streamed response of one choice or several, event by event. Pure: bytes, no sockets, no time.

use crate::client::dialect::AnswerUsage;
use crate::sim::fault::Fate;
use crate::sim::script::{Ending, Script, Wish};
use crate::sim::words::Stops;

/// The events of one streamed response.
pub(super) struct Choices<'a> {
    scripts: Vec<Script<'a>>,
    /// Choices that answer the same prompt.
    per_prompt: usize,
    started: bool,
    ending: Option<Ending>,
}

impl<'a> Choices<'a> {
    /// The response to `wishes`, of which each `per_prompt` in a row answer one prompt.
    pub(super) fn new(wishes: &[Wish], per_prompt: usize, model: &str, fate: &'a Fate, stops: &'a Stops) -> Self {
        let scripts = wishes.iter().map(|wish| Script::new(*wish, model, fate, stops)).collect();
        Self { scripts, per_prompt: per_prompt.max(1), started: false, ending: None }
    }

    /// Whether the response is over.
    pub(super) fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    /// How the response ended; `Whole` while it has not ended.
    pub(super) fn ending(&self) -> Ending {
        self.ending.unwrap_or(Ending::Whole)
    }

    /// The number of the token, from 1, with which the next write of choice `place` is due; `None` when the choice is
    /// over.
    pub(super) fn next_token(&self, place: usize) -> Option<u32> {
        self.scripts.get(place).filter(|_| !self.is_over()).and_then(Script::next_token)
    }

    /// Stores the number of cached prompt tokens of choice `place`.
    pub(super) fn note_cached(&mut self, place: usize, tokens: Option<u32>) {
        if let Some(script) = self.scripts.get_mut(place) {
            script.note_cached(tokens);
        }
    }

    /// Tokens written so far, of all choices.
    pub(super) fn sent(&self) -> u32 {
        self.scripts.iter().map(Script::sent).fold(0, u32::saturating_add)
    }

    /// Appends the events due with [`Choices::next_token`] of choice `place`.
    pub(super) fn emit(&mut self, place: usize, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.started, true) {
            self.scripts.iter().for_each(|script| script.open(out));
        }
        let Some(script) = self.scripts.get_mut(place) else { return };
        script.emit(out);
        if let Some(ending) = script.broke() {
            self.ending = Some(ending);
        } else if self.scripts.iter().all(|script| script.next_token().is_none()) {
            self.ending = Some(Ending::Whole);
            let usage = self.usage();
            if let Some(first) = self.scripts.first() {
                first.close(out, usage);
            }
        }
    }

    /// Token counts of the whole response: each prompt once, and the output of all choices.
    fn usage(&self) -> AnswerUsage {
        let prompts = self.scripts.iter().step_by(self.per_prompt).map(Script::prompt);
        let (prompt, cached) = summed(prompts);
        AnswerUsage { prompt, output: self.sent(), cached }
    }
}

/// Prompt tokens, and cached prompt tokens, of several prompts. The cached ones are `None` when no prompt reports them.
pub(super) fn summed(prompts: impl Iterator<Item = (u32, Option<u32>)>) -> (u32, Option<u32>) {
    prompts.fold((0, None), |(sum, all), (tokens, cached): (u32, Option<u32>)| {
        let all = match (all, cached) {
            (None, None) => None,
            (all, cached) => Some(all.unwrap_or(0).saturating_add(cached.unwrap_or(0))),
        };
        (sum.saturating_add(tokens), all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;

    #[test]
    fn choices_have_their_own_index_and_one_end_with_the_counts_of_all() {
        let wish = |choice, prompt_tokens, output_tokens, endpoint| Wish {
            endpoint,
            sequence: 0,
            created_s: 0,
            choice,
            prompt_tokens,
            output_tokens,
            met: None,
            length_asked: true,
            usage_at_end: true,
            usage_in_each: false,
            stops: false,
            items: 1,
        };
        let completions: Endpoint = "completions".parse().unwrap();
        // Two prompts of 3 and 4 tokens, two choices of each.
        let wishes = [(0, 3), (1, 3), (2, 4), (3, 4)].map(|(at, prompt)| wish(at, prompt, at + 1, completions));
        let (fate, stops) = (Fate::default(), Stops::default());
        let mut choices = Choices::new(&wishes, 2, "m", &fate, &stops);
        let mut out = Vec::new();
        for place in [3, 0, 1, 2] {
            while choices.next_token(place).is_some() {
                assert!(!choices.is_over());
                choices.emit(place, &mut out);
            }
        }
        assert!(choices.is_over());
        let text = String::from_utf8(out).unwrap();
        let events: Vec<serde_json::Value> =
            text.split("\n\n").filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok()).collect();
        let of = |index: u64| {
            let mut texts = String::new();
            for event in events.iter().filter(|event| event["choices"][0]["index"] == index) {
                texts.push_str(event["choices"][0]["text"].as_str().unwrap());
            }
            texts
        };
        assert_eq!(
            [of(0), of(1), of(2), of(3)],
            [" the", " traffic naïve", " naïve of tokens", " of tokens runs über"]
        );
        let usage = &events.last().unwrap()["usage"];
        assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&7.into(), &10.into()));
        assert!(text.ends_with("data: [DONE]\n\n") && text.matches("[DONE]").count() == 1, "{text}");
    }
}
