//! Owns `requests.parquet`: every record of a result as a row of a table, for pandas, DuckDB and Spark.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::error::Error;
use crate::metrics::{Frame, Metric, OriginOf, Value};
use crate::record::{Origin, Outcome, Record};
use crate::results::files::{create, not_written};
use crate::results::folder::{RECORDS, page_path, point_folder};
use crate::results::folding::{open, whole};
use crate::results::model::Report;
use crate::results::reading::files_of;

/// The name of the table.
const NAME: &str = "requests.parquet";
/// Rows of a group: the rows that are kept in memory.
const GROUP: usize = 65_536;

/// A cell. An absent one is null.
enum Cell {
    Text(Option<String>),
    Whole(Option<i64>),
    Number(Option<f64>),
}

impl Cell {
    const fn is_present(&self) -> bool {
        match self {
            Self::Text(text) => text.is_some(),
            Self::Whole(number) => number.is_some(),
            Self::Number(number) => number.is_some(),
        }
    }

    fn text(&self) -> Option<ByteArray> {
        if let Self::Text(Some(text)) = self { Some(ByteArray::from(text.as_str())) } else { None }
    }

    const fn whole(&self) -> Option<i64> {
        if let Self::Whole(number) = self { *number } else { None }
    }

    const fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { *number } else { None }
    }
}

/// A column: its name, its type in Parquet, and its cell of a record.
type Column = (&'static str, &'static str, fn(&Row<'_>) -> Cell);

/// A record with the load that it belongs to.
struct Row<'a> {
    trial: &'a str,
    frame: &'a Frame,
    record: &'a Record,
}

/// Latencies are in seconds. A request that missed a metric, or was cut off, has null; `outcome` says why.
const COLUMNS: [Column; 29] = [
    ("trial", "binary", |row| text(row.trial)),
    ("id", "int64", |row| whole_number(row.record.id)),
    ("class", "binary", |row| text(&row.record.class)),
    ("session", "int64", |row| Cell::Whole(row.record.session.and_then(|session| i64::try_from(session).ok()))),
    ("turn", "int64", |row| Cell::Whole(row.record.turn.map(i64::from))),
    ("target", "binary", |row| text(&row.record.target)),
    ("model", "binary", |row| text(&row.record.model)),
    ("origin", "binary", |row| {
        text(match row.record.origin {
            Origin::Planned => "planned",
            Origin::Released => "released",
        })
    }),
    ("in_window", "int64", |row| whole_number(u64::from(row.frame.window.contains(row.record.scheduled)))),
    ("outcome", "binary", |row| text(row.record.exchange.outcome.name())),
    ("status", "int64", |row| Cell::Whole(row.record.exchange.status.map(i64::from))),
    ("failure", "binary", |row| {
        Cell::Text(match &row.record.exchange.outcome {
            Outcome::Failed(failure) => Some(failure.text.to_string()),
            _ => None,
        })
    }),
    ("finish_reason", "binary", |row| Cell::Text(row.record.exchange.finish_reason.as_deref().map(str::to_owned))),
    ("scheduled_s", "double", |row| Cell::Number(Some(row.record.scheduled.as_secs()))),
    ("sent_s", "double", |row| Cell::Number(row.record.exchange.sent.map(|at| at.as_secs()))),
    ("ended_s", "double", |row| Cell::Number(row.record.exchange.ended.map(|at| at.as_secs()))),
    ("send_lag_s", "double", |row| seconds(row, Metric::SendLag, OriginOf::Service)),
    ("ttft_s", "double", |row| seconds(row, Metric::Ttft, OriginOf::Scheduled)),
    ("ttft_service_s", "double", |row| seconds(row, Metric::Ttft, OriginOf::Service)),
    ("ttfo_s", "double", |row| seconds(row, Metric::Ttfo, OriginOf::Scheduled)),
    ("e2e_s", "double", |row| seconds(row, Metric::E2e, OriginOf::Scheduled)),
    ("e2e_service_s", "double", |row| seconds(row, Metric::E2e, OriginOf::Service)),
    ("tpot_s", "double", |row| seconds(row, Metric::Tpot, OriginOf::Scheduled)),
    ("itl_mean_s", "double", |row| seconds(row, Metric::Itl, OriginOf::Scheduled)),
    ("stall_s", "double", |row| seconds(row, Metric::Stall, OriginOf::Scheduled)),
    ("asked_input_tokens", "int64", |row| whole_number(row.record.asked_input_tokens.into())),
    ("asked_output_tokens", "int64", |row| whole_number(row.record.asked_output_tokens.into())),
    ("input_tokens", "int64", |row| tokens(row, Metric::InputTokens)),
    ("output_tokens", "int64", |row| tokens(row, Metric::OutputTokens)),
];

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}

fn whole_number(number: u64) -> Cell {
    Cell::Whole(i64::try_from(number).ok())
}

fn defined(row: &Row<'_>, metric: Metric, origin: OriginOf) -> Option<u64> {
    if let Value::Defined(value) = metric.value(row.record, origin) { Some(value) } else { None }
}

fn seconds(row: &Row<'_>, metric: Metric, origin: OriginOf) -> Cell {
    Cell::Number(defined(row, metric, origin).map(|ticks| ticks as f64 / 1e9))
}

fn tokens(row: &Row<'_>, metric: Metric) -> Cell {
    Cell::Whole(defined(row, metric, OriginOf::Scheduled).and_then(|count| i64::try_from(count).ok()))
}

/// Writes `requests.parquet` into `folder`: the records of the result in `path`, whose content is `report`. A sweep or
/// a search has the records of all its loads, in their order. Returns the path of the table and its rows.
pub(crate) fn write_request_table(path: &Path, report: &Report, folder: &Path) -> Result<(PathBuf, u64), Error> {
    let table = page_path(folder, NAME)?;
    // A table that is cut off is never seen under its name.
    let part = folder.join(format!(".{NAME}.part"));
    let failed = |why: &dyn std::error::Error| not_written(&table, &std::io::Error::other(why.to_string()), "out");
    _ = fs::remove_file(&part);
    let file = create(&part).map_err(|why| not_written(&part, &why, "out"))?;
    let mut writer = writer(file).map_err(|why| failed(&why))?;
    let mut written = 0;
    for (trial, records) in sources(path, report)? {
        let mut reader = open(&records)?;
        let frame = Frame::from(reader.header());
        let mut group = Vec::new();
        for record in whole(&mut reader) {
            let record = record?;
            let row = Row { trial: &trial, frame: &frame, record: &record };
            group.push(COLUMNS.map(|(_, _, cell)| cell(&row)));
            written += 1;
            if group.len() == GROUP {
                write_group(&mut writer, &std::mem::take(&mut group)).map_err(|why| failed(&why))?;
            }
        }
        if !group.is_empty() {
            write_group(&mut writer, &group).map_err(|why| failed(&why))?;
        }
    }
    writer.close().map_err(|why| failed(&why))?;
    fs::rename(&part, &table).map_err(|why| failed(&why))?;
    Ok((table, written))
}

/// The name of each load and the path of its records.
fn sources(path: &Path, report: &Report) -> Result<Vec<(String, PathBuf)>, Error> {
    let (result, records) = files_of(path);
    let loads = match (&report.sweep, &report.search) {
        (None, None) => {
            let label = report.trials.first().map_or_else(|| "run".to_owned(), |trial| trial.label.clone());
            vec![(label, records)]
        }
        (sweep, _) => {
            let folders = (0..).map(|place| (place, result.with_file_name(point_folder(place)).join(RECORDS)));
            let label = |place: usize| {
                let of_sweep = sweep.as_ref().and_then(|_| Some(report.trials.get(place)?.label.clone()));
                of_sweep.unwrap_or_else(|| point_folder(place).display().to_string())
            };
            folders.take_while(|(_, file)| file.exists()).map(|(place, file)| (label(place), file)).collect()
        }
    };
    if loads.is_empty() || !loads[0].1.exists() {
        return Err(Error::input(
            path,
            "has no records.jsonl, whose requests would be the rows; keep it beside result.json",
        ));
    }
    Ok(loads)
}

fn writer(file: File) -> Result<SerializedFileWriter<BufWriter<File>>, ParquetError> {
    let columns = COLUMNS.map(|(name, kind, _)| {
        let annotated = if kind == "binary" { " (UTF8)" } else { "" };
        format!("optional {kind} {name}{annotated};")
    });
    let schema = Arc::new(parse_message_type(&format!("message requests {{ {} }}", columns.join(" ")))?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(format!("tonnage {}", env!("CARGO_PKG_VERSION")))
        .build();
    SerializedFileWriter::new(BufWriter::new(file), schema, Arc::new(properties))
}

/// Writes `rows` as one row group.
fn write_group(
    writer: &mut SerializedFileWriter<BufWriter<File>>,
    rows: &[[Cell; COLUMNS.len()]],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let mut place = 0;
    while let Some(mut column) = group.next_column()? {
        let cells = || rows.iter().map(|row| &row[place]);
        let levels: Vec<i16> = cells().map(|cell| i16::from(cell.is_present())).collect();
        let levels = Some(levels.as_slice());
        match column.untyped() {
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                writer.write_batch(&cells().filter_map(Cell::text).collect::<Vec<_>>(), levels, None)?;
            }
            ColumnWriter::Int64ColumnWriter(writer) => {
                writer.write_batch(&cells().filter_map(Cell::whole).collect::<Vec<_>>(), levels, None)?;
            }
            ColumnWriter::DoubleColumnWriter(writer) => {
                writer.write_batch(&cells().filter_map(Cell::number).collect::<Vec<_>>(), levels, None)?;
            }
            _ => return Err(ParquetError::General("a column of an unknown type".to_owned())),
        }
        column.close()?;
        place += 1;
    }
    group.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    use super::*;

    #[test]
    fn every_column_of_a_group_has_its_cells_and_nulls() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut written = writer(File::create(&path).unwrap()).unwrap();
        let of = |kind: &str, known: bool| match kind {
            "binary" => Cell::Text(known.then(|| "谁".to_owned())),
            "int64" => Cell::Whole(known.then_some(7)),
            _ => Cell::Number(known.then_some(0.5)),
        };
        let rows = [true, false].map(|known| COLUMNS.map(|(_, kind, _)| of(kind, known)));
        write_group(&mut written, &rows).unwrap();
        written.close().unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        for (place, (name, kind, _)) in COLUMNS.iter().enumerate() {
            match *kind {
                "binary" => assert_eq!(rows[0].get_string(place).unwrap(), "谁", "{name}"),
                "int64" => assert_eq!(rows[0].get_long(place).unwrap(), 7, "{name}"),
                _ => assert!((rows[0].get_double(place).unwrap() - 0.5).abs() < 1e-12, "{name}"),
            }
            assert!(rows[1].get_string(place).is_err(), "{name}");
        }
    }
}
