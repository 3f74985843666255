//! Owns the step from the bytes of a data set to its text: what is no UTF-8 text is named.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::fault::Fault;
use crate::units::{not_utf_8, utf_16_of};

/// Maximum size of a data set after unpacking, in bytes (4 GiB). It is held in memory as a whole.
const MOST_BYTES: u64 = 4 << 30;

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
    if bytes.starts_with(b"PAR1") {
        return parquet_lines(bytes);
    }
    if let Some(why) = utf_16_of(&bytes) {
        return Err(Fault::new(1, why));
    }
    let mut text = String::from_utf8(bytes).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        let (line, why) = not_utf_8(why.as_bytes(), at);
        Fault::new(line, why)
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The rows of a Parquet file as JSON lines.
#[cfg(feature = "parquet")]
fn parquet_lines(bytes: Vec<u8>) -> Result<String, Fault> {
    super::parquet::lines_of(bytes, MOST_BYTES)
}

/// The refusal of a Parquet file.
#[cfg(not(feature = "parquet"))]
fn parquet_lines(_: Vec<u8>) -> Result<String, Fault> {
    let why = "is a Parquet file, which this build does not read: build with cargo's feature `parquet`, or write it as \
        JSON lines, as in `pandas.read_parquet(f).to_json(g, orient='records', lines=True)`";
    Err(Fault::new(1, why))
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
            #[cfg(not(feature = "parquet"))]
            (b"PAR1\x15\0".to_vec(), 1, "is a Parquet file, which this build does not read"),
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
