//! Owns the texts of `help mix` and `help sessions`.

/// The text of `help mix`: how the file of a mix is written, and what its classes may say.
#[must_use]
pub(crate) fn help_mix() -> String {
    MIX.to_owned()
}

/// The text of `help sessions`: where sessions come from, what a rate means, and what is measured.
#[must_use]
pub(crate) fn help_sessions() -> String {
    SESSIONS.to_owned()
}

const MIX: &str = "\
Classes of requests with lengths and objectives of their own: --mix FILE, in
run, sweep, search and plan. The file is YAML (or the same in braces, in place
of FILE): the name of each class, and what it says.

  chat:
    weight: 70%              its part of the requests, against the sum of all
    input-tokens: 128..1024
    output-tokens: 64
    slo: [p99 ttft<=200ms]
  code:
    weight: 25
    input-tokens: lognormal:2000,0.6
    content: code
    model: coder
    process: gamma:4
    slo: [p99 ttft<=1s, p99 tpot<=50ms]
  batch:
    weight: 5
    output-tokens: 1024
    cancel: 2%:10s
  index:
    weight: 20
    endpoint: embeddings
    batch-size: 16
    slo: [p99 e2e<=500ms]

  weight         a number or a percentage [default: 1]
  input-tokens   as the options of the same name, which hold for the classes
  output-tokens  that leave them out
  content        text, code, chinese or words
  cancel         requests that the client cancels (in `tonnage run`)
  model          a model or an adapter; else those of --model, in turn
  endpoint       the endpoint of its requests; else that of --endpoint
  batch-size     items in a request, where the class names its endpoint
  system-tokens, prefix-tokens, prefix-groups, prefix-popularity, cache-hit
                 what its prompts share with each other, and with no other
                 class; system-tokens: 0 for nothing
  process        a law of arrivals of its own
  slo            objectives of the class; more with --slo 'chat: p99 e2e<=5s'

The class of a request is drawn by the weights from the seed and the request's
number. Where a class has a process, the arrivals of each class are drawn apart,
at its share of the rate, and merged: then --duration, not --requests, ends the
load. In sessions, all turns belong to one class.

Classes that do not say otherwise go to --endpoint and share the prefixes of
--system-tokens and --prefix-tokens (`tonnage help prefixes`). The preflight
tries each class. Options that not every endpoint knows (--temperature,
--ignore-eos, --output-field …) go to those that know them; --extra-body and
--omit go to all. An objective without a class is about all requests, so every
endpoint must measure it.

Each class is folded and judged by itself. The verdict needs the objectives of
every class, and a search finds the highest rate of the whole mix at which all
of them hold.
";

const SESSIONS: &str = "\
Conversations in an open loop: each arrival begins a session, and --rate is the
rate of new sessions. Their number is not limited. A later turn is sent a think
time after the answer before it.

  --turns 2..8           the number of turns, in the forms of --input-tokens,
                         which are those of each turn
  --think-time exp:5s    5s, 2s..10s, exp:, normal: or lognormal: [default: 0s]
  --dataset FILE --sessions
                         whole conversations of a data set (sharegpt,
                         messages, agentic, trie)
  --replies real         later turns carry the answers of the server [default]
  --replies planned      answers of the plan: bodies do not depend on the server
  --sticky               all turns of a session to one of several targets
  --session-header X-Session-ID
                         a header with the session's id
  --system-tokens, --prefix-tokens
                         the first turn of a session begins with them

A later turn carries the conversation so far, and its input length counts it. A
turn that is lost ends its session: later turns are skipped, and counted as
missed. The page has a table by turn, and how sessions ended.

At first there are no sessions, so a load grows until the first ones end: give
`tonnage run` a --warmup of about one session. sweep and search do it by
themselves.

`tonnage sweep` and `tonnage search` vary the rate of new sessions: --rates,
--min-rate, --max-rate and every answer are sessions per second. Capacity is
what the service completes in a closed loop of sessions without think times,
divided by the mean number of turns. An overload shows late, because turns come
only as fast as answers do: of an overload by k turns a session, about 2/(k+1)
grows the number in flight.
";

#[cfg(test)]
mod tests {
    #[test]
    fn help_fits_a_terminal() {
        for text in [super::help_mix(), super::help_sessions()] {
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }
}
