//! Owns `LengthSpec`: a law of token counts of requests, and its notation.

use std::fmt;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Refusal};
use crate::seed::{Stream, normal};

/// A law of token counts. Each draw is rounded to whole tokens, and limited to 1 to 10 000 000 tokens.
///
/// | written | law |
/// |---|---|
/// | `512`, `D(512)` | always 512 |
/// | `128..1024`, `U(128,1024)` | uniform over the whole numbers from 128 to 1024, both included |
/// | `normal:512,64`, `N(512,64)` | normal of mean 512 and standard deviation 64 |
/// | `lognormal:512,1.2` | lognormal of *mean* 512 (before the ends are cut), 1.2 being the standard deviation of the logarithm: exp(ln 512 − 1.2²/2 + 1.2·z) |
/// | `vllm:1024,0.5` | uniform from ⌊L(1−r)⌋ to ⌈L(1+r)⌉ for L = 1024 and r = 0.5 below 1: vLLM's `--random-range-ratio` |
/// | `sglang:1024,0.5` | uniform from max(1, ⌊L·r⌋) to L for L = 1024 and r = 0.5 up to 1: SGLang's `--random-range-ratio` |
/// | `file:PATH` | one of the numbers in the file, each line as likely ([`LengthSpec::from_lines`]) |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LengthSpec {
    law: Law,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Law {
    Fixed(u32),
    Uniform { low: u32, high: u32 },
    Normal { mean: f64, deviation: f64 },
    LogNormal { mean: f64, sigma: f64 },
    Table { name: Arc<str>, lengths: Arc<[u32]> },
}

/// The largest file of lengths, in bytes.
const MOST_FILE_BYTES: u64 = 64 << 20;

const ACCEPTED: &str = "accepted is 512, 128..1024, normal:512,64, lognormal:512,1.2 or file:PATH (genai-bench's \
    D(512), U(128,1024), N(512,64) too; with the range ratios of vLLM and SGLang: vllm:1024,0.5, sglang:1024,0.5)";

impl LengthSpec {
    /// The largest length, in tokens.
    pub const MAX_TOKENS: u32 = 10_000_000;

    /// Input tokens of requests without `--input-tokens`: 128.
    pub const DEFAULT_INPUT: Self = Self { law: Law::Fixed(128) };
    /// Output tokens of requests without `--output-tokens`: 64.
    pub const DEFAULT_OUTPUT: Self = Self { law: Law::Fixed(64) };

    /// Always `tokens`; refused outside 1 to 10 000 000.
    pub fn fixed(tokens: u32) -> Result<Self, Refusal> {
        Ok(Self { law: Law::Fixed(in_range(tokens)?) })
    }

    /// Uniform around `tokens`, as vLLM draws with a range ratio: from ⌊tokens(1 − ratio)⌋ to ⌈tokens(1 + ratio)⌉, both
    /// included, and at least 1; refused unless 0 ≤ ratio < 1.
    pub fn vllm_range(tokens: u32, ratio: f64) -> Result<Self, Refusal> {
        if !(0.0..1.0).contains(&ratio) {
            return Err(Refusal::new(format!("a range ratio of {ratio} is out of range"), "accepted is 0 to below 1"));
        }
        let middle = f64::from(tokens);
        let (low, high) = (libm::floor(middle * (1.0 - ratio)), libm::ceil(middle * (1.0 + ratio)));
        Self::uniform((low as u32).max(1), high as u32)
    }

    /// Uniform up to `tokens`, as SGLang draws with a range ratio: from max(1, ⌊tokens · ratio⌋) to `tokens`, both
    /// included; refused unless 0 ≤ ratio ≤ 1.
    pub fn sglang_range(tokens: u32, ratio: f64) -> Result<Self, Refusal> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(Refusal::new(format!("a range ratio of {ratio} is out of range"), "accepted is 0 to 1"));
        }
        Self::uniform((libm::floor(f64::from(tokens) * ratio) as u32).max(1), tokens)
    }

    /// Uniform from `low` to `high`, both included; refused if they are out of order or out of range.
    pub fn uniform(low: u32, high: u32) -> Result<Self, Refusal> {
        if low > high {
            return Err(Refusal::new(
                format!("the range {low}..{high} is empty"),
                "accepted is LOW..HIGH with LOW at most HIGH",
            ));
        }
        Ok(Self { law: Law::Uniform { low: in_range(low)?, high: in_range(high)? } })
    }

    /// Normal of `mean` and standard `deviation`, in tokens; refused unless 1 ≤ mean ≤ 10 000 000 and 0 ≤ deviation ≤
    /// 10 000 000.
    pub fn normal(mean: f64, deviation: f64) -> Result<Self, Refusal> {
        let most = f64::from(Self::MAX_TOKENS);
        if (0.0..=most).contains(&deviation) {
            Ok(Self { law: Law::Normal { mean: mean_in_range(mean)?, deviation } })
        } else {
            Err(Refusal::new(
                format!("a standard deviation of {deviation} tokens is out of range"),
                "accepted is 0 to 10000000",
            ))
        }
    }

    /// Lognormal of `mean` tokens; `sigma` is the standard deviation of the logarithm. Refused unless 0 ≤ sigma ≤ 5 and
    /// 1 ≤ mean ≤ 10 000 000.
    pub fn log_normal(mean: f64, sigma: f64) -> Result<Self, Refusal> {
        if (0.0..=5.0).contains(&sigma) {
            Ok(Self { law: Law::LogNormal { mean: mean_in_range(mean)?, sigma } })
        } else {
            Err(Refusal::new(
                format!("a sigma of {sigma} is out of range"),
                "accepted is 0 to 5, the standard deviation of the logarithm",
            ))
        }
    }

    /// The path of a `file:PATH` text, whose lines `cli` opens for [`LengthSpec::from_lines`].
    #[must_use]
    pub fn path_of(text: &str) -> Option<&str> {
        text.trim().strip_prefix("file:")
    }

    /// An empirical law: one whole number of tokens per line, all lines equally likely. Empty lines and lines that
    /// start with `#` are skipped. Refused beyond 64 MiB, because an endless file must not be read to its end.
    pub fn from_lines(source: impl BufRead, path: &Path) -> Result<Self, Error> {
        let mut source = source.take(MOST_FILE_BYTES + 1);
        let mut lengths = Vec::new();
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            let read = source.read_line(&mut line).map_err(|why| {
                Error::input_at(path, number, format!("cannot be read: {why}; give a text file of one number a line"))
            })?;
            if source.limit() == 0 {
                return Err(Error::input(path, "is larger than 64 MiB; give a sample of its lines"));
            }
            if read == 0 {
                break;
            }
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let tokens = text.parse::<u32>().ok().filter(|tokens| (1..=Self::MAX_TOKENS).contains(tokens));
            lengths.push(tokens.ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                Error::input_at(
                    path,
                    number,
                    format!("`{shown}` is not a token count; give one whole number from 1 to 10000000 a line"),
                )
            })?);
        }
        if lengths.is_empty() {
            return Err(Error::input(path, "holds no token count; give one whole number from 1 to 10000000 a line"));
        }
        Ok(Self { law: Law::Table { name: path.to_string_lossy().into(), lengths: lengths.into() } })
    }

    /// The smallest and the largest length of the law; `None` if it has no bounds but those of all lengths.
    #[must_use]
    pub fn bounds(&self) -> Option<(u32, u32)> {
        match &self.law {
            Law::Fixed(tokens) => Some((*tokens, *tokens)),
            Law::Uniform { low, high } => Some((*low, *high)),
            Law::Normal { deviation: 0.0, mean } | Law::LogNormal { sigma: 0.0, mean } => {
                Some((to_tokens(*mean), to_tokens(*mean)))
            }
            Law::Normal { .. } | Law::LogNormal { .. } => None,
            Law::Table { lengths, .. } => lengths.iter().copied().min().zip(lengths.iter().copied().max()),
        }
    }

    /// The length of request `id`, 1 to 10 000 000 tokens: a pure function of the law, the stream and `id`.
    #[must_use]
    pub fn tokens(&self, stream: &Stream, id: u64) -> u32 {
        match &self.law {
            Law::Fixed(tokens) => *tokens,
            Law::Uniform { low, high } => low + below(&mut stream.at(id), u64::from(high - low) + 1) as u32,
            Law::Normal { mean, deviation } => to_tokens(mean + deviation * normal(&mut stream.at(id))),
            Law::LogNormal { mean, sigma } => {
                to_tokens(mean * libm::exp(sigma * normal(&mut stream.at(id)) - 0.5 * sigma * sigma))
            }
            Law::Table { lengths, .. } => lengths[below(&mut stream.at(id), lengths.len() as u64) as usize],
        }
    }
}

fn in_range(tokens: u32) -> Result<u32, Refusal> {
    if (1..=LengthSpec::MAX_TOKENS).contains(&tokens) {
        Ok(tokens)
    } else {
        Err(Refusal::new(format!("a length of {tokens} tokens is out of range"), "accepted is 1 to 10000000"))
    }
}

fn mean_in_range(mean: f64) -> Result<f64, Refusal> {
    if (1.0..=f64::from(LengthSpec::MAX_TOKENS)).contains(&mean) {
        Ok(mean)
    } else {
        Err(Refusal::new(format!("a mean length of {mean} tokens is out of range"), "accepted is 1 to 10000000"))
    }
}

fn to_tokens(length: f64) -> u32 {
    libm::round(length).clamp(1.0, f64::from(LengthSpec::MAX_TOKENS)) as u32
}

/// A uniform whole number below `bound`: the high half of a 128-bit product, with a bias below bound/2⁶⁴.
fn below(generator: &mut impl Rng, bound: u64) -> u64 {
    ((u128::from(generator.next_u64()) * u128::from(bound)) >> 64) as u64
}

impl std::str::FromStr for LengthSpec {
    type Err = Refusal;

    /// Reads every form in the table above except `file:`, which needs a reader.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = || Refusal::new(format!("`{text}` is not a token length"), ACCEPTED);
        let whole = |text: &str| text.trim().parse::<u32>().map_err(|_| refuse());
        let real = |text: &str| text.trim().parse::<f64>().map_err(|_| refuse());
        let pair =
            |text: &str| text.split_once(',').map(|(one, two)| (one.to_owned(), two.to_owned())).ok_or_else(refuse);
        let text = text.trim();
        if let Some((name, arguments)) = text.split_once('(') {
            let arguments = arguments.strip_suffix(')').ok_or_else(refuse)?;
            // genai-bench names input and output in one text: D(100,1000), N(480,240)/(300,150).
            if arguments.contains('/') || (name == "D" && arguments.contains(',')) {
                return Err(Refusal::new(
                    format!("`{text}` names input and output at once"),
                    "accepted is one length for each of the option input-tokens and the option output-tokens, as in \
                     D(100) or N(480,240)",
                ));
            }
            return match name {
                "D" => Self::fixed(whole(arguments)?),
                "U" => pair(arguments).and_then(|(low, high)| Self::uniform(whole(&low)?, whole(&high)?)),
                "N" => pair(arguments).and_then(|(mean, deviation)| Self::normal(real(&mean)?, real(&deviation)?)),
                _ => Err(refuse()),
            };
        }
        if let Some((law, arguments)) = text.split_once(':') {
            return match law {
                "normal" => pair(arguments).and_then(|(mean, deviation)| Self::normal(real(&mean)?, real(&deviation)?)),
                "lognormal" => pair(arguments).and_then(|(mean, sigma)| Self::log_normal(real(&mean)?, real(&sigma)?)),
                "vllm" => pair(arguments).and_then(|(tokens, ratio)| Self::vllm_range(whole(&tokens)?, real(&ratio)?)),
                "sglang" => {
                    pair(arguments).and_then(|(tokens, ratio)| Self::sglang_range(whole(&tokens)?, real(&ratio)?))
                }
                "file" => Err(Refusal::new(
                    format!("`{text}` names a file, which cannot be read here"),
                    "accepted is a law without a file",
                )),
                _ => Err(refuse()),
            };
        }
        match text.split_once("..") {
            Some((low, high)) => Self::uniform(whole(low)?, whole(high)?),
            None => Self::fixed(whole(text)?),
        }
    }
}

impl fmt::Display for LengthSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.law {
            Law::Fixed(tokens) => write!(f, "{tokens}"),
            Law::Uniform { low, high } => write!(f, "{low}..{high}"),
            Law::Normal { mean, deviation } => write!(f, "normal:{mean},{deviation}"),
            Law::LogNormal { mean, sigma } => write!(f, "lognormal:{mean},{sigma}"),
            Law::Table { name, .. } => write!(f, "file:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use proptest::prelude::*;

    fn draws(text: &str, count: u64) -> Vec<u32> {
        let spec: LengthSpec = text.parse().unwrap();
        let stream = Seed::new(1).stream("input_lengths");
        (0..count).map(|id| spec.tokens(&stream, id)).collect()
    }

    fn mean(values: &[u32]) -> f64 {
        values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn lengths_are_read_as_they_are_shown() {
        for (text, shown) in [
            ("512", "512"),
            ("128..1024", "128..1024"),
            ("normal:512,64", "normal:512,64"),
            ("lognormal:512.5,1.2", "lognormal:512.5,1.2"),
            ("D(100)", "100"),
            ("N(480,240)", "normal:480,240"),
            ("U(50, 100)", "50..100"),
            // The rules of the two tools, which give one option two meanings.
            ("vllm:1024,0", "1024..1024"),
            ("vllm:1024,0.5", "512..1536"),
            ("vllm:101,0.25", "75..127"),
            ("vllm:1,0.9", "1..2"),
            ("sglang:1024,0.5", "512..1024"),
            ("sglang:101,0.25", "25..101"),
            ("sglang:1024,0", "1..1024"),
            ("sglang:1024,1", "1024..1024"),
        ] {
            assert_eq!(text.parse::<LengthSpec>().map(|spec| spec.to_string()), Ok(shown.to_owned()), "{text}");
            assert_eq!(shown.parse::<LengthSpec>().map(|spec| spec.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn impossible_lengths_are_refused_with_what_is_accepted() {
        for text in [
            "",
            "0",
            "-1",
            "1.5",
            "10000001",
            "9..3",
            "0..3",
            "..",
            "1..",
            "normal:512",
            "normal:0,1",
            "normal:5,-1",
            "normal:nan,1",
            "lognormal:5,6",
            "lognormal:5",
            "uniform:1,2",
            "vllm:1024",
            "vllm:1024,1",
            "vllm:1024,-0.1",
            "vllm:0,0.5",
            "sglang:1024,1.1",
            "sglang:1024,nan",
            "D(100,1000)",
            "N(480,240)/(300,150)",
            "U(9,3)",
            "Z(3)",
            "D(3",
            "file:lengths.txt",
        ] {
            let refusal = text.parse::<LengthSpec>().expect_err(text);
            assert!(refusal.accepted.starts_with("accepted is"), "{refusal}");
        }
        insta::assert_snapshot!("D(100,1000)".parse::<LengthSpec>().unwrap_err(), @"`D(100,1000)` names input and \
             output at once; accepted is one length for each of the option input-tokens and the option output-tokens, \
             as in D(100) or N(480,240)");
    }

    #[test]
    fn draws_have_the_moments_of_their_law() {
        // Per case: the law, its mean, its standard deviation.
        for (text, expected, deviation) in
            [("128..1024", 576.0, 258.9), ("normal:512,64", 512.0, 64.0), ("lognormal:512,0.8", 512.0, 485.0)]
        {
            let values = draws(text, 20_000);
            assert!(
                (mean(&values) - expected).abs() < 5.0 * deviation / 20_000_f64.sqrt(),
                "{text}: {}",
                mean(&values)
            );
        }
        assert_eq!(draws("512", 3), [512, 512, 512]);
    }

    #[test]
    fn a_uniform_law_reaches_both_ends() {
        let values = draws("3..5", 200);
        assert_eq!((values.iter().min(), values.iter().max()), (Some(&3), Some(&5)));
    }

    #[test]
    fn draws_never_leave_one_to_ten_million() {
        let low = draws("normal:1,100", 2_000);
        assert_eq!(low.iter().min(), Some(&1));
        let high = draws("normal:10000000,1000000", 2_000);
        assert_eq!(high.iter().max(), Some(&LengthSpec::MAX_TOKENS));
    }

    #[test]
    fn a_file_of_lengths_is_drawn_line_by_line() {
        let spec = LengthSpec::from_lines("# tokens\n7\n\n 9 \n9\n9\n".as_bytes(), Path::new("lengths.txt")).unwrap();
        let stream = Seed::new(1).stream("input_lengths");
        let nines = (0..4_000).filter(|id| spec.tokens(&stream, *id) == 9).count();
        assert!((2_850..3_150).contains(&nines), "three lines of four: {nines} of 4000");
        assert_eq!(spec.to_string(), "file:lengths.txt");
        assert_eq!(LengthSpec::path_of("file:lengths.txt"), Some("lengths.txt"));
        assert_eq!(LengthSpec::path_of("512"), None);
    }

    #[test]
    fn a_file_without_end_is_refused() {
        // Endless zeros, as from /dev/zero, and endless long lines: neither may be read to the end.
        struct Ruled;
        impl std::io::Read for Ruled {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                buffer.fill(b' ');
                buffer.last_mut().into_iter().for_each(|last| *last = b'\n');
                Ok(buffer.len())
            }
        }
        let zeros = std::io::BufReader::new(std::io::repeat(0));
        let lines = std::io::BufReader::with_capacity(1 << 16, Ruled);
        for refused in [LengthSpec::from_lines(zeros, Path::new("z")), LengthSpec::from_lines(lines, Path::new("z"))] {
            assert_eq!(refused.unwrap_err().to_string(), "z: is larger than 64 MiB; give a sample of its lines");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, message) in [
            ("7\n0\n", "t:2: `0` is not a token count; give one whole number from 1 to 10000000 a line"),
            ("7\n8\nx\n", "t:3: `x` is not a token count; give one whole number from 1 to 10000000 a line"),
            ("\n", "t: holds no token count; give one whole number from 1 to 10000000 a line"),
        ] {
            assert_eq!(LengthSpec::from_lines(text.as_bytes(), Path::new("t")).unwrap_err().to_string(), message);
        }
        assert!(LengthSpec::from_lines(&b"7\n\xff\n"[..], Path::new("t")).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[DNU(),.:/0-9a-z ]{0,20}") {
            let _ = text.parse::<LengthSpec>();
        }

        #[test]
        fn a_law_survives_its_text(mean in 1.0..1e7, spread in 0.0..5.0) {
            for spec in [LengthSpec::normal(mean, spread).unwrap(), LengthSpec::log_normal(mean, spread).unwrap()] {
                prop_assert_eq!(spec.to_string().parse::<LengthSpec>().unwrap(), spec);
            }
        }
    }
}
