//! Owns the step from the bytes of a data set to its text: what is no UTF-8 text is named.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::fault::Fault;

/// Maximum size of a data set after unpacking, in bytes (4 GiB). It is held in memory as a whole.
const MOST_BYTES: u64 = 4 << 30;
/// Bytes at the start of a file in which zeros are counted.
const LOOKED_AT: usize = 4096;
/// What to do with a file in another encoding.
const CONVERT: &str = "convert it, as in `iconv -f";

/// The text of `bytes`, without a byte-order mark. Gzip is unpacked.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, Fault> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        let read = MultiGzDecoder::new(&bytes[..]).take(MOST_BYTES + 1).read_to_end(&mut unpacked);
        read.map_err(|why| Fault::new(1, format!("cannot be unpacked ({why}); check the file")))?;
        if unpacked.len() as u64 > MOST_BYTES {
            return Err(Fault::new(1, "unpacks to more than 4 GiB; split it"));
        }
        return text_of(unpacked);
    }
    text_of(bytes)
}

fn text_of(bytes: Vec<u8>) -> Result<String, Fault> {
    if let Some(name) = utf_16_of(&bytes) {
        return Err(Fault::new(1, format!("is {name} text, and a data set is UTF-8; {CONVERT} UTF-16 -t UTF-8`")));
    }
    if bytes.starts_with(b"PAR1") {
        let why = "is a Parquet file; write it as JSON lines, as in `pandas.read_parquet(f).to_json(g, \
            orient='records', lines=True)`";
        return Err(Fault::new(1, why));
    }
    let mut text = String::from_utf8(bytes).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        not_utf_8(why.as_bytes(), at)
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The name of the UTF-16 that `bytes` are in, by their byte-order mark or by their zeros; `None` if they are not.
fn utf_16_of(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] => return Some("UTF-16 (little-endian)"),
        [0xfe, 0xff, ..] => return Some("UTF-16 (big-endian)"),
        _ => {}
    }
    let start = &bytes[..bytes.len().min(LOOKED_AT)];
    let zeros = memchr::memchr_iter(0, start).count();
    (zeros > start.len() / 4).then_some("UTF-16 (without a byte-order mark)")
}

/// The fault of the byte at `at`, which is no UTF-8. Latin-1 is recognised by letters that stand alone or in pairs.
fn not_utf_8(bytes: &[u8], at: usize) -> Fault {
    let line = memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1;
    let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |end| end + 1);
    let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
    let mut runs = bytes[start..end].split(u8::is_ascii).filter(|run| !run.is_empty());
    let byte = bytes[at];
    if runs.all(|run| run.len() <= 2 && run.iter().all(|byte| *byte >= 0xa0)) {
        let letter = char::from(byte);
        let why = format!(
            "is not UTF-8: byte 0x{byte:02X} is `{letter}` in Latin-1 (ISO 8859-1); {CONVERT} LATIN1 -t UTF-8`"
        );
        return Fault::new(line, why);
    }
    let why = format!("is not UTF-8 (byte 0x{byte:02X}; perhaps GB 18030 or Shift JIS); {CONVERT} GB18030 -t UTF-8`");
    Fault::new(line, why)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn another_encoding_is_named_with_its_line() {
        let utf_16 = |text: &str, mark: bool| {
            let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
            units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
        };
        for (bytes, line, words) in [
            (utf_16("Hello", true), 1, "UTF-16 (little-endian)"),
            (utf_16("Hello, world", false), 1, "UTF-16 (without a byte-order mark)"),
            (b"\xfe\xff\0H".to_vec(), 1, "UTF-16 (big-endian)"),
            (b"first\nCaf\xe9 au lait\n".to_vec(), 2, "byte 0xE9 is `é` in Latin-1"),
            (b"one\ntwo\n\xc4\xe3\xba\xc3\xca\xc0\xbd\xe7\n".to_vec(), 3, "perhaps GB 18030"),
            (b"PAR1\x15\0".to_vec(), 1, "is a Parquet file"),
            (b"\x1f\x8b\x08\0".to_vec(), 1, "cannot be unpacked"),
        ] {
            let fault = decode(bytes).unwrap_err();
            assert!(fault.line == line && fault.why.contains(words), "{words}: {fault:?}");
        }
    }

    #[test]
    fn a_mark_is_dropped_and_a_compressed_file_is_unpacked() {
        assert_eq!(decode("\u{feff}你好\n".into()).unwrap(), "你好\n");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all("é\n".as_bytes()).unwrap();
        assert_eq!(decode(packed.finish().unwrap()).unwrap(), "é\n");
        assert_eq!(decode(Vec::new()).unwrap(), "");
    }
}
