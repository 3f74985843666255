//! Owns Parquet files (feature `parquet`): their rows become JSON lines, which the other readers take.

use std::io::Write as _;

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::fault::{Fault, shown};
use crate::workload::guarded::guarded;

/// The rows of the file `bytes` as JSON lines, of at most `most` bytes: row n is line n. Columns keep their names.
/// Lists and groups of columns become lists and objects.
pub(super) fn lines_of(bytes: Vec<u8>, most: u64) -> Result<String, Fault> {
    let broken = |row: u64, why: String| Fault::new(row, format!("cannot be read as Parquet ({why}); check the file"));
    let mut row = 1;
    let read = guarded(|| {
        let failed = |why: parquet::errors::ParquetError| shown(&why.to_string());
        let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(failed)?;
        let mut lines = Vec::new();
        for next in reader.get_row_iter(None).map_err(failed)? {
            let value = next.map_err(failed)?.to_json_value();
            // Writing to memory cannot fail.
            _ = writeln!(lines, "{value}");
            if lines.len() as u64 > most {
                return Err(format!("it holds more than {} GiB", most >> 30));
            }
            row += 1;
        }
        Ok(lines)
    });
    let lines = read.and_then(|read| read).map_err(|why| broken(row, why))?;
    String::from_utf8(lines).map_err(|_| broken(row, "a text is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use parquet::basic::Compression;
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;
    use crate::workload::{DataFormat, DataReading, DataSet};

    fn texts(texts: &[&str]) -> Vec<ByteArray> {
        texts.iter().map(|text| ByteArray::from(*text)).collect()
    }

    /// A file of two rows: a question, a length (the second has none), and a conversation of two messages each.
    fn file(compression: Compression) -> Vec<u8> {
        let schema = "message rows {
            required binary question (UTF8);
            optional int64 length;
            optional group messages (LIST) { repeated group list { optional group element {
                optional binary role (UTF8);
                optional binary content (UTF8);
            } } }
        }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let of_lists = (Some(&[4i16, 4, 4, 4][..]), Some(&[0i16, 1, 0, 1][..]));
        for column in 0..4 {
            let mut next = group.next_column().unwrap().unwrap();
            match column {
                0 => next.typed::<ByteArrayType>().write_batch(&texts(&["Wer?", "谁？\nX"]), None, None).map(|_| ()),
                1 => next.typed::<Int64Type>().write_batch(&[9], Some(&[1, 0]), None).map(|_| ()),
                2 => next
                    .typed::<ByteArrayType>()
                    .write_batch(&texts(&["user", "assistant", "user", "assistant"]), of_lists.0, of_lists.1)
                    .map(|_| ()),
                _ => next
                    .typed::<ByteArrayType>()
                    .write_batch(&texts(&["Q", "a b c", "R", "d"]), of_lists.0, of_lists.1)
                    .map(|_| ()),
            }
            .unwrap();
            next.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    }

    fn read(bytes: Vec<u8>, reading: &DataReading) -> Result<DataSet, String> {
        DataSet::read(bytes, Path::new("d.parquet"), reading).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_read_by_their_columns_as_those_of_json_lines() {
        for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default())] {
            let columns = DataReading {
                format: Some(DataFormat::Jsonl),
                columns: "prompt=question,output=length".parse().unwrap(),
                ..DataReading::default()
            };
            let set = read(file(compression), &columns).unwrap();
            let rows: Vec<_> = [0, 1].map(|place| set.row(place).unwrap()).into_iter().collect();
            assert_eq!([rows[0].counted_text(), rows[1].counted_text()], ["Wer?", "谁？\nX"]);
            assert_eq!([rows[0].output_tokens, rows[1].output_tokens], [Some(9), None]);
            let chats = read(file(compression), &DataReading { sessions: true, ..DataReading::default() }).unwrap();
            assert_eq!((chats.format(), chats.units(), chats.len()), (DataFormat::Messages, 2, 2));
            assert_eq!(chats.row(0).unwrap().answer(), Some("a b c"));
        }
    }

    #[test]
    fn a_missing_column_and_a_broken_file_are_named() {
        let columns = DataReading { columns: "prompt=q".parse().unwrap(), ..DataReading::default() };
        let missing = read(file(Compression::SNAPPY), &DataReading { format: Some(DataFormat::Jsonl), ..columns });
        let missing = missing.unwrap_err();
        assert!(missing.starts_with("d.parquet:1: has no column q; it has length, messages, question"), "{missing}");
        let whole = file(Compression::SNAPPY);
        for cut in [4, 20, whole.len() / 2, whole.len() - 1] {
            let why = read(whole[..cut].to_vec(), &DataReading::default()).unwrap_err();
            assert!(why.starts_with("d.parquet:1: cannot be read as Parquet ("), "{why}");
        }
        // Whatever the bytes are, there are rows or a message.
        for place in 4..whole.len() {
            for byte in [0, 0xff, whole[place] ^ 1] {
                let mut changed = whole.clone();
                changed[place] = byte;
                _ = read(changed, &DataReading::default());
            }
        }
    }
}
