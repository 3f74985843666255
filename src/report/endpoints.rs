//! Owns the text of `help endpoints`: what each endpoint sends, where to, and what it measures.

use std::fmt::Write as _;

use crate::client::{Endpoint, StreamFraming};
use crate::metrics::Metric;
use crate::report::flags::with_flags;
use crate::units::wrapped;

/// The text of `help endpoints`.
#[must_use]
pub(crate) fn help_endpoints() -> String {
    let mut text = String::from(
        "--endpoint KIND says which API is asked. --target is a base URL, with or without\n\
         /v1, or the full URL of an endpoint, which is used as given with its query:\n\n\
         tonnage run --target http://h:8000 --endpoint messages\n\
         tonnage run --target 'http://h/openai/deployments/d/chat/completions?api-version=1'\n\
         tonnage run --target http://h:8000 --endpoint embeddings --batch-size 16\n\
         tonnage run --target http://h:11434 --endpoint ollama-chat --model llama3\n\n\
         Objectives on a metric that the endpoint does not measure are refused.\n\n",
    );
    for endpoint in Endpoint::ALL {
        let can = endpoint.capabilities();
        let stream = match (can.streams, endpoint.framing()) {
            (false, _) => "not streamed",
            (true, StreamFraming::Events) => "events",
            (true, StreamFraming::Lines) => "lines of JSON",
        };
        let mut metrics: Vec<&str> = Metric::ALL
            .into_iter()
            .filter(|metric| metric.is_objective() && metric.is_defined(can.streams, can.output_tokens))
            .map(Metric::key)
            .collect();
        if endpoint.texts(1).is_some() {
            metrics.extend(["items/s", "input tokens/s"]);
        }
        let key = match endpoint.key_header() {
            "authorization" => String::new(),
            header => format!(" The key is sent in {header}."),
        };
        let about = format!("{}{key} Measures {}.", with_flags(endpoint.sentence()), metrics.join(", "));
        let path = if endpoint.has_template() { "the path of --target".to_owned() } else { endpoint.full_path() };
        let _ = writeln!(text, "{:<17}{path} ({stream})", endpoint.name());
        let _ = writeln!(text, "{:17}{}", "", wrapped(&about, 80, 17));
    }
    text.push_str(
        "\nFields of one server go into --extra-body; null there, or --omit, leaves a field\n\
         out. For chat:\n\n\
         --extra-body '{\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\",\n\
         \x20 \"parameters\": {\"type\": \"object\"}}}], \"tool_choice\": \"required\"}'\n\
         --extra-body '{\"response_format\": {\"type\": \"json_schema\", \"json_schema\":\n\
         \x20 {\"name\": \"a\", \"schema\": {\"type\": \"object\"}}}}'\n\
         --extra-body '{\"n\": 2}'        every choice must finish; all tokens count\n",
    );
    text.push_str(
        "\nFor raw, --raw FILE describes the API. The body has the placeholders {{prompt}},\n\
         {{model}}, {{max_tokens}}, {{id}} and {{stream}}; the others are JSON pointers\n\
         into each object of an answer. Only body and text are needed; framing is sse,\n\
         ndjson or body (one object). Without finish, an answer is complete when its body\n\
         ends.\n\n\
         body: '{\"inputs\": \"{{prompt}}\", \"parameters\": {\"max_new_tokens\": {{max_tokens}}}}'\n\
         framing: sse\n\
         text: /token/text\n\
         input-tokens: /details/input_length\n\
         output-tokens: /details/generated_tokens\n\
         finish: /details/finish_reason\n\
         error: /error\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_each_endpoint_with_its_path_and_the_metrics_that_it_defines() {
        let text = help_endpoints();
        for endpoint in Endpoint::ALL {
            let path = if endpoint.has_template() { "the path of --target" } else { &endpoint.full_path() };
            assert!(text.contains(&format!("\n{:<17}{path}", endpoint.name())), "{text}");
        }
        let embeddings = &text[text.find("\nembeddings").unwrap()..text.find("\nrerank").unwrap()];
        assert!(embeddings.contains("Measures e2e, items/s, input tokens/s.") && embeddings.contains("--batch-size"));
        assert!(
            text.lines()
                .filter(|line| !line.starts_with("tonnage run") && !line.starts_with("body:"))
                .all(|line| line.chars().count() <= 80)
        );
    }
}
