//! Owns the choice between the two text formats of Prometheus, and the older one of the two.

use std::collections::BTreeSet;

/// The type of `OpenMetrics` text.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The type of the older text format, which a client gets that does not ask for `OpenMetrics`.
pub(super) const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a client with this `Accept` header takes `OpenMetrics`.
pub(super) fn takes_openmetrics(accept: &str) -> bool {
    accept.to_ascii_lowercase().contains("application/openmetrics-text")
}

/// `OpenMetrics` text in the older format. There a counter is named by its samples, with `_total`. Units and the end
/// are not marked.
pub(super) fn classic(openmetrics: &str) -> String {
    let counters: BTreeSet<&str> =
        openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let told = ["# HELP ", "# TYPE "].into_iter().find_map(|what| Some((what, line.strip_prefix(what)?)));
        match told.and_then(|(what, rest)| Some((what, rest.split_once(' ')?))) {
            Some((what, (name, rest))) if counters.contains(name) => {
                text.extend([what, name, "_total ", rest, "\n"]);
            }
            _ => text.extend([line, "\n"]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_by_their_samples_in_the_older_format() {
        let new = "# HELP a_sent Sent.\n# TYPE a_sent counter\na_sent_total 5\n# HELP b_seconds B.\n\
            # TYPE b_seconds histogram\n# UNIT b_seconds seconds\nb_seconds_sum 1.0\n# EOF\n";
        let old = "# HELP a_sent_total Sent.\n# TYPE a_sent_total counter\na_sent_total 5\n# HELP b_seconds B.\n\
            # TYPE b_seconds histogram\nb_seconds_sum 1.0\n";
        assert_eq!(classic(new), old);
    }

    #[test]
    fn prometheus_gets_openmetrics_and_curl_the_older_format() {
        assert!(takes_openmetrics("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4,*/*;q=0.1"));
        assert!(!takes_openmetrics("*/*"));
    }
}
