//! Owns `Latencies`: histograms of an engine's requests and steps, with vLLM's bucket bounds.

use std::time::Duration;

use crate::units::Offset;

/// Upper bucket bounds in seconds, as in vLLM.
const TTFT_S: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
];
const PER_TOKEN_S: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0];
const REQUEST_S: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
];

/// Upper bucket bounds of the tokens of a step, as in vLLM.
const STEP_TOKENS: &[f64] = &[1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0];

/// A histogram under construction; the exposition makes it cumulative.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) bounds: Vec<f64>,
    /// One count for each bound, and one for values above all bounds.
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
}

impl Tally {
    fn new(bounds: &[f64]) -> Self {
        Self { bounds: bounds.to_vec(), counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Bounds 1, 2, 5, 10, 20, 50, … up to `most`, as in vLLM for tokens of a request.
    fn of_tokens(most: u32) -> Self {
        let bounds = (0..10).flat_map(|power| [1, 2, 5].map(|digit| f64::from(digit * 10_i32.pow(power.min(8)))));
        Self::new(&bounds.take_while(|bound| *bound <= f64::from(most)).collect::<Vec<_>>())
    }

    fn add(&mut self, value: f64) {
        self.counts[self.bounds.partition_point(|bound| *bound < value)] += 1;
        self.sum += value;
    }
}

/// A request that has finished, on the engine's own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) arrived: Offset,
    /// The beginning of the step to which it was first admitted.
    pub(super) admitted: Offset,
    /// Its first token.
    pub(super) first: Offset,
    /// Its last token.
    pub(super) last: Offset,
    pub(super) prompt_tokens: u32,
    pub(super) output_tokens: u32,
}

/// Latencies of an engine's requests, counted from their arrival on the engine's own clock, and tokens.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    pub(super) first_token: Tally,
    pub(super) between_tokens: Tally,
    pub(super) per_output_token: Tally,
    pub(super) whole: Tally,
    /// From the arrival to the first admission.
    pub(super) queue: Tally,
    /// From the first admission to the last token.
    pub(super) inference: Tally,
    /// From the first admission to the first token.
    pub(super) prefill: Tally,
    /// From the first token to the last.
    pub(super) decode: Tally,
    pub(super) prompt_tokens: Tally,
    pub(super) output_tokens: Tally,
    pub(super) step_tokens: Tally,
}

impl Latencies {
    /// Empty histograms of an engine whose longest context is `context_tokens`.
    pub(super) fn new(context_tokens: u32) -> Self {
        let request = || Tally::new(REQUEST_S);
        Self {
            first_token: Tally::new(TTFT_S),
            between_tokens: Tally::new(PER_TOKEN_S),
            per_output_token: Tally::new(PER_TOKEN_S),
            whole: request(),
            queue: request(),
            inference: request(),
            prefill: request(),
            decode: request(),
            prompt_tokens: Tally::of_tokens(context_tokens),
            output_tokens: Tally::of_tokens(context_tokens),
            step_tokens: Tally::new(STEP_TOKENS),
        }
    }

    pub(super) fn first_token(&mut self, after: Duration) {
        self.first_token.add(after.as_secs_f64());
    }

    pub(super) fn next_token(&mut self, after: Duration) {
        self.between_tokens.add(after.as_secs_f64());
    }

    /// Counts the tokens of a step. As in vLLM, a step without an output is not counted.
    pub(super) fn step(&mut self, tokens: u64) {
        if tokens > 0 {
            self.step_tokens.add(tokens as f64);
        }
    }

    pub(super) fn end(&mut self, finished: &Finished) {
        let Finished { arrived, admitted, first, last, prompt_tokens, output_tokens } = *finished;
        let between = |from: Offset, to: Offset| to.since(from).as_secs_f64();
        self.whole.add(between(arrived, last));
        self.queue.add(between(arrived, admitted));
        self.prefill.add(between(admitted, first));
        self.decode.add(between(first, last));
        self.inference.add(between(admitted, last));
        let gaps = output_tokens.saturating_sub(1);
        self.per_output_token.add(if gaps == 0 { 0.0 } else { between(first, last) / f64::from(gaps) });
        self.prompt_tokens.add(f64::from(prompt_tokens));
        self.output_tokens.add(f64::from(output_tokens));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_tokens_end_with_the_context() {
        let tally = Tally::of_tokens(131_072);
        assert_eq!(tally.bounds[..4], [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(tally.bounds.last(), Some(&100_000.0));
        assert_eq!((tally.bounds.len(), Tally::of_tokens(20).bounds.len()), (16, 5));
    }
}
