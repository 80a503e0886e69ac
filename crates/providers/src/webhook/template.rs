//! What a signature is over: literal text with the timestamp, the id and the body in it.

use std::str::FromStr;

/// A template like `{timestamp}.{body}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Timestamp,
    Id,
    Body,
}

/// The text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{{body}} once, {{timestamp}} and {{id}} at most once, and text between them")]
pub(super) struct NotATemplate;

/// What a template is filled with.
#[derive(Clone, Copy)]
pub(super) struct Filling<'f> {
    pub(super) timestamp: &'f str,
    pub(super) id: &'f str,
    pub(super) body: &'f [u8],
}

impl Template {
    pub(super) fn has_timestamp(&self) -> bool {
        self.0.contains(&Piece::Timestamp)
    }

    pub(super) fn has_id(&self) -> bool {
        self.0.contains(&Piece::Id)
    }

    /// The signed bytes, piece by piece.
    pub(super) fn fill<'f>(&'f self, filling: Filling<'f>) -> impl Iterator<Item = &'f [u8]> {
        self.0.iter().map(move |piece| match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Timestamp => filling.timestamp.as_bytes(),
            Piece::Id => filling.id.as_bytes(),
            Piece::Body => filling.body,
        })
    }
}

impl FromStr for Template {
    type Err = NotATemplate;

    fn from_str(text: &str) -> Result<Self, NotATemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, after) = rest.split_once('{').unwrap_or((rest, ""));
            if literal.contains('}') || (after.is_empty() && literal.len() != rest.len()) {
                return Err(NotATemplate);
            }
            if !literal.is_empty() {
                pieces.push(Piece::Text(literal.to_owned()));
            }
            if after.is_empty() {
                break;
            }
            let (name, after) = after.split_once('}').ok_or(NotATemplate)?;
            pieces.push(match name {
                "timestamp" => Piece::Timestamp,
                "id" => Piece::Id,
                "body" => Piece::Body,
                _ => return Err(NotATemplate),
            });
            rest = after;
        }
        let count = |wanted: &Piece| pieces.iter().filter(|piece| *piece == wanted).count();
        let fine = count(&Piece::Body) == 1 && count(&Piece::Timestamp) <= 1 && count(&Piece::Id) <= 1;
        if fine { Ok(Self(pieces)) } else { Err(NotATemplate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let filled = |template: &str| {
            let template: Template = template.parse().unwrap();
            let filling = Filling { timestamp: "12", id: "msg", body: b"{body}" };
            template.fill(filling).collect::<Vec<_>>().concat()
        };
        assert_eq!(filled("{body}"), b"{body}");
        assert_eq!(filled("{timestamp}{body}"), b"12{body}");
        assert_eq!(filled("{id}.{timestamp}.{body}"), b"msg.12.{body}");
        assert_eq!(filled("v0:{timestamp}:{body}\n"), b"v0:12:{body}\n");
    }

    #[test]
    fn templates_that_are_none() {
        for text in [
            "",
            "body",
            "{timestamp}",
            "{body}{body}",
            "{body",
            "body}",
            "{}",
            "{Body}",
            "{body}{",
            "{a}{body}",
            "}{body}",
        ] {
            assert_eq!(text.parse::<Template>(), Err(NotATemplate), "{text}");
        }
    }
}
