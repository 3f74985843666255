//! Owns the reading of the Prometheus text format: the samples of a page of metrics.

/// One sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample<'page> {
    /// The name of the metric.
    pub(super) name: &'page str,
    /// The text between the braces; empty without labels.
    labels: &'page str,
    /// The value.
    pub(super) value: f64,
}

impl Sample<'_> {
    /// Whether the label `name` has the value `value`. Neither may need an escape.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        let mut rest = self.labels;
        while let Some((label, quoted)) = rest.split_once("=\"") {
            let end = end_of_quoted(quoted);
            if label.trim_start_matches([',', ' ']).trim() == name {
                return quoted.get(..end) == Some(value);
            }
            rest = quoted.get(end + 1..).unwrap_or_default();
        }
        false
    }
}

/// The samples of `page` with a finite value, in its order. A line that is none is passed over: a page of a server that
/// nobody here knows is no error.
pub(super) fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    page.lines().filter_map(sample)
}

/// `name{label="value",…} value [timestamp]`
fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|letter: char| letter == '{' || letter.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => {
            let end = end_of_labels(inside)?;
            (&inside[..end], &inside[end + 1..])
        }
        None => ("", rest),
    };
    let value = rest.split_whitespace().next()?.parse::<f64>().ok()?;
    value.is_finite().then_some(Sample { name, labels, value })
}

/// Where the brace is that ends the labels. A brace inside a quoted value does not.
fn end_of_labels(inside: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + inside.get(at..)?.find(['"', '}'])?;
        if inside.as_bytes()[found] == b'}' {
            return Some(found);
        }
        at = found + 1 + end_of_quoted(&inside[found + 1..]) + 1;
    }
}

/// Where the quote is that ends a quoted value, or its length if nothing ends it.
fn end_of_quoted(text: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_gives_its_name_its_labels_and_its_value() {
        let page = "# HELP a what\n# TYPE a gauge\na 1\nb{} 2.5 1700000000000\n\
            c{x=\"}\",y=\"a\\\"b, z=\\\\\",k=\"v\"} 3e2\n\
            d NaN\ne +Inf\nbroken\nf{x=\"1\" 4\n  g{kind=\"active\"}\t7\n";
        let found: Vec<_> = samples(page).map(|sample| (sample.name, sample.value)).collect();
        assert_eq!(found, [("a", 1.0), ("b", 2.5), ("c", 300.0), ("g", 7.0)]);
        let c = samples(page).nth(2).expect("c");
        for (name, value, has) in [("k", "v", true), ("x", "}", true), ("x", "v", false), ("z", "v", false)] {
            assert_eq!(c.has(name, value), has, "{name}={value}");
        }
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(page in "[a-z{}=\"\\\\, 0-9.\n#é]{0,200}") {
            for sample in samples(&page) {
                prop_assert!(sample.value.is_finite());
                sample.has("a", "b");
            }
        }
    }
}
