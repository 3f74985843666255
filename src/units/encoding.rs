//! Owns the names of encodings that are not UTF-8, for messages about files.

/// Bytes at the start of a file in which zeros are counted.
const LOOKED_AT: usize = 4096;
/// What to do with a file in another encoding.
const CONVERT: &str = "convert it, as in `iconv -f";

/// The name of the UTF-16 in which the file that begins with `bytes` is, by its byte-order mark or by its zeros, and
/// what to do; `None` if it is not.
pub(crate) fn utf_16_of(bytes: &[u8]) -> Option<String> {
    let name = match bytes {
        [0xff, 0xfe, ..] => "UTF-16 (little-endian)",
        [0xfe, 0xff, ..] => "UTF-16 (big-endian)",
        _ => {
            let start = &bytes[..bytes.len().min(LOOKED_AT)];
            let zeros = memchr::memchr_iter(0, start).count();
            if zeros <= start.len() / 4 {
                return None;
            }
            "UTF-16 (without a byte-order mark)"
        }
    };
    Some(format!("is {name} text, and UTF-8 is read; {CONVERT} UTF-16 -t UTF-8`"))
}

/// The line, from 1, of the byte at `at` of `bytes`, which is no UTF-8, with what is wrong and what to do. Latin-1 is
/// recognised by letters that stand alone or in pairs in the line.
pub(crate) fn not_utf_8(bytes: &[u8], at: usize) -> (u64, String) {
    let (before, after) = bytes.split_at(at.min(bytes.len()));
    let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    let end = memchr::memchr(b'\n', after).map_or(bytes.len(), |length| before.len() + length);
    (line, named(&bytes[start..end], after.first().copied().unwrap_or(0)))
}

/// What is wrong with `line`, in which `byte` is no UTF-8.
fn named(line: &[u8], byte: u8) -> String {
    let mut runs = line.split(u8::is_ascii).filter(|run| !run.is_empty());
    if runs.all(|run| run.len() <= 2 && run.iter().all(|byte| *byte >= 0xa0)) {
        let letter = char::from(byte);
        return format!(
            "is not UTF-8: byte 0x{byte:02X} is `{letter}` in Latin-1 (ISO 8859-1); {CONVERT} LATIN1 -t UTF-8`"
        );
    }
    format!("is not UTF-8 (byte 0x{byte:02X}; perhaps GB 18030 or Shift JIS); {CONVERT} GB18030 -t UTF-8`")
}
