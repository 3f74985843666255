//! Owns what the requests of a session have in common: the model, the target if asked for, and a header.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::Error;
use crate::workload::Outline;

/// What all requests of a session go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Affinity {
    /// Nothing: targets and models are taken in turn by request.
    #[default]
    None,
    /// One model, because a conversation belongs to the model that answers in it. Targets are taken in turn.
    Model,
    /// One model on one target.
    Target,
}

impl Affinity {
    /// The numbers by which targets and models are taken in turn.
    pub(super) fn numbers(self, outline: &Outline) -> [u64; 2] {
        let (id, turn) = (outline.id, u64::from(outline.turn.unwrap_or(0)));
        match (self, outline.session) {
            (Self::None, _) | (_, None) => [id, id],
            (Self::Model, Some(session)) => [session.wrapping_add(turn), session],
            (Self::Target, Some(session)) => [session, session],
        }
    }
}

/// A header with the id of the request's session: a UUID in form, of the run and the session's number.
#[derive(Debug)]
pub(super) struct SessionHeader {
    name: HeaderName,
    /// Groups two to four of the id.
    of_run: String,
}

impl SessionHeader {
    /// The header `name`; `of_run` tells the sessions of this run from those of other runs. Refused if `common`, the
    /// headers of every request, has it.
    pub(super) fn new(name: &str, of_run: &str, common: &HeaderMap) -> Result<Self, Error> {
        let refuse = |why: &str| Error::usage("session-header", format!("`{name}` {why}"), "accepted is X-Session-ID");
        let read = HeaderName::try_from(name.trim()).map_err(|_| refuse("is not the name of a header"))?;
        let owned = ["host", "content-length", "transfer-encoding", "connection", "x-request-id"];
        if common.contains_key(&read) || owned.contains(&read.as_str()) {
            return Err(refuse("is a header that every request has with another value"));
        }
        Ok(Self { name: read, of_run: of_run.to_owned() })
    }

    /// Adds the header to the request of `outline`, if it has a session.
    pub(super) fn mark(&self, headers: &mut HeaderMap, outline: &Outline) {
        let id = outline.session.map(|session| format!("00000000-{}-{:012x}", self.of_run, session & 0xffff_ffff_ffff));
        if let Some(Ok(id)) = id.map(HeaderValue::try_from) {
            headers.insert(self.name.clone(), id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_a_session_share_what_they_are_asked_to_share() {
        let outline = |session: Option<u64>, turn: u32| Outline {
            id: u64::from(turn) * 1_000_000_000 + session.unwrap_or(7),
            class: "default".into(),
            session,
            turn: session.map(|_| turn),
            turns: None,
            input_tokens: 1,
            output_tokens: 1,
        };
        for (affinity, wanted) in [
            (Affinity::None, [[2_000_000_005; 2], [7; 2]]),
            (Affinity::Model, [[7, 5], [7; 2]]),
            (Affinity::Target, [[5, 5], [7; 2]]),
        ] {
            let found = [affinity.numbers(&outline(Some(5), 2)), affinity.numbers(&outline(None, 0))];
            assert_eq!(found, wanted, "{affinity:?}");
        }
        let mut headers = HeaderMap::new();
        let header = SessionHeader::new("X-Session-ID", "1234-4567-a890", &headers).unwrap();
        header.mark(&mut headers, &outline(None, 0));
        assert!(headers.is_empty());
        header.mark(&mut headers, &outline(Some(5), 2));
        assert_eq!(headers["x-session-id"], "00000000-1234-4567-a890-000000000005");
        assert!(SessionHeader::new("x-session-id", "", &headers).is_err());
        assert!(SessionHeader::new("a b", "", &headers).is_err());
    }
}
