//! Owns the cases of responses that are deeply nested, large, or contain unusual numbers.

use super::{Fate, TOKEN, Table, chunked, event, head, status, stream};

pub(super) fn sizes(table: &mut Table) {
    use Fate::{Completes, Either, Fails};
    for deep in [200, 100_000] {
        for (name, open, close) in [("lists", "[", "]"), ("objects", "{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(deep), close.repeat(deep));
            let event_of = |key: &str| chunked((event(&format!(r#"{{"{key}":{nested}}}"#)) + &stream()).as_bytes());
            // Well formed and skipped without recursion: a healthy response follows.
            table.answer("deep JSON", format!("{deep} {name} as choices"), Either, event_of("choices"));
            table.answer("deep JSON", format!("{deep} {name} as error"), Either, event_of("error"));
            table.answer("deep JSON", format!("{deep} {name} as another"), Either, event_of("other"));
            table.answer(
                "deep JSON",
                format!("{deep} {name} in an error"),
                Fails,
                status("400 Bad", "application/json", nested.as_bytes()),
            );
        }
    }
    for number in [
        "1e999",
        "-1",
        "1180591620717411303424",
        "4.5",
        "\"7\"",
        "NaN",
        "99999999999999999999999999999999999999999999999999",
    ] {
        let usage = format!(r#"{{"choices":[],"usage":{{"prompt_tokens":{number},"completion_tokens":{number}}}}}"#);
        table.answer(
            "odd numbers",
            format!("usage {number}"),
            Either,
            chunked((event(TOKEN) + &event(&usage) + &stream()).as_bytes()),
        );
        let index = format!(r#"{{"choices":[{{"index":{number},"delta":{{"content":"a"}}}}]}}"#);
        table.answer("odd numbers", format!("index {number}"), Either, chunked((event(&index) + &stream()).as_bytes()));
    }
    for megabytes in [2, 40] {
        let long = "a".repeat(megabytes << 20);
        let of = |start: &str, end: &str| {
            [head(""), format!("data: {start}{long}{end}\n\n{}", stream()).into_bytes()].concat()
        };
        let name = |what: &str| format!("{megabytes} MiB {what}");
        table.answer("large", name("token"), Either, of(r#"{"choices":[{"delta":{"content":""#, "\"}}]}"));
        table.answer(
            "large",
            name("finish reason"),
            Either,
            of(r#"{"choices":[{"delta":{},"finish_reason":""#, "\"}]}"),
        );
        table.answer("large", name("error"), Fails, of(r#"{"error":{"message":""#, "\"}}"));
        table.answer("large", name("id"), Either, of(r#"{"id":""#, r#"","choices":[]}"#));
        table.answer("large", name("error body"), Fails, status("500 Oh", "text/plain", long.as_bytes()));
        table.answer(
            "large",
            name("object"),
            Fails,
            status("200 OK", "application/json", format!("{{\"a\":\"{long}\"}}").as_bytes()),
        );
    }
    let choices = vec![r#"{"delta":{"content":"a"}}"#; 20_000].join(",");
    table.answer(
        "large",
        "20 000 choices",
        Completes,
        chunked((event(&format!(r#"{{"choices":[{choices}]}}"#)) + &stream()).as_bytes()),
    );
}
