//! Owns the spool of answer texts: it keeps them beside the records during a run, so that no tokenizer runs while
//! streams are open.

use std::io::{self, ErrorKind, Read, Write};

use crate::record::{AnswerText, Record};

/// Marks a record without a text. No text is this long.
const NO_TEXT: u32 = u32::MAX;

/// Writes the texts of records in the order of the records file.
#[derive(Debug)]
pub(crate) struct SpoolWriter<W: Write> {
    sink: W,
}

impl<W: Write> SpoolWriter<W> {
    /// A spool that writes to `sink`, without buffering.
    pub(crate) fn new(sink: W) -> Self {
        Self { sink }
    }

    /// Appends the text of `record`, or a mark that it has none.
    pub(crate) fn write(&mut self, record: &Record) -> io::Result<()> {
        self.sink.write_all(&record.id.to_le_bytes())?;
        let text = record
            .exchange
            .text
            .as_deref()
            .filter(|text| u32::try_from(text.bytes.len()).is_ok_and(|length| length != NO_TEXT));
        let Some(text) = text else { return self.sink.write_all(&NO_TEXT.to_le_bytes()) };
        self.sink.write_all(&(text.bytes.len() as u32).to_le_bytes())?;
        self.sink.write_all(&(text.event_ends.len() as u32).to_le_bytes())?;
        for end in &text.event_ends {
            self.sink.write_all(&end.to_le_bytes())?;
        }
        self.sink.write_all(&text.bytes)
    }

    /// Flushes the sink.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Reads what [`SpoolWriter`] wrote.
#[derive(Debug)]
pub(crate) struct SpoolReader<R: Read> {
    source: R,
}

impl<R: Read> SpoolReader<R> {
    /// Reads from `source`, without buffering.
    pub(crate) fn new(source: R) -> Self {
        Self { source }
    }

    /// The text of the next record, whose id must be `id`; `None` if it has none.
    pub(crate) fn next(&mut self, id: u64) -> io::Result<Option<AnswerText>> {
        let mut found = [0; 8];
        self.source.read_exact(&mut found)?;
        if u64::from_le_bytes(found) != id {
            return Err(io::Error::new(ErrorKind::InvalidData, "the spooled texts do not belong to these records"));
        }
        let length = self.number()?;
        if length == NO_TEXT {
            return Ok(None);
        }
        let events = self.number()?;
        let mut event_ends = Vec::new();
        for _ in 0..events {
            event_ends.push(self.number()?);
        }
        let mut bytes = Vec::new();
        self.source.by_ref().take(u64::from(length)).read_to_end(&mut bytes)?;
        if bytes.len() < length as usize {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(AnswerText { bytes, event_ends, answer_from: None }))
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut number = [0; 4];
        self.source.read_exact(&mut number)?;
        Ok(u32::from_le_bytes(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Exchange, Origin};
    use crate::units::Offset;

    fn record(id: u64, text: Option<AnswerText>) -> Record {
        Record {
            id,
            class: "default".into(),
            session: None,
            turn: None,
            turns: None,
            origin: Origin::Planned,
            scheduled: Offset::ZERO,
            asked_input_tokens: 1,
            asked_output_tokens: 1,
            cancel_after: None,
            target: "t".into(),
            model: "m".into(),
            exchange: Exchange { text: text.map(Box::new), ..Exchange::default() },
        }
    }

    #[test]
    fn texts_come_back_in_the_order_of_their_records() {
        let texts = [
            Some(AnswerText { bytes: "héllo".into(), event_ends: vec![1, 6], answer_from: None }),
            None,
            Some(AnswerText::default()),
            Some(AnswerText { bytes: vec![0xff, 0xed], event_ends: Vec::new(), answer_from: None }),
        ];
        let mut bytes = Vec::new();
        let mut writer = SpoolWriter::new(&mut bytes);
        for (id, text) in (7..).zip(&texts) {
            writer.write(&record(id, text.clone())).unwrap();
        }
        writer.finish().unwrap();
        let mut reader = SpoolReader::new(bytes.as_slice());
        for (id, text) in (7..).zip(texts) {
            assert_eq!(reader.next(id).unwrap(), text);
        }
        assert_eq!(SpoolReader::new(bytes.as_slice()).next(8).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(SpoolReader::new(&bytes[..17]).next(7).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
