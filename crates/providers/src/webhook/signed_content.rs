//! What a signature is over: literal text with the timestamp, the id and the body in it.

use std::str::FromStr;

/// A template like `{timestamp}.{body}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedContentTemplate(Vec<TemplatePiece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePiece {
    Text(String),
    Timestamp,
    Id,
    Body,
}

/// The text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{{body}} once, {{timestamp}} and {{id}} at most once, and text between them")]
pub(super) struct ParseTemplateError;

/// What a template is filled with.
#[derive(Clone, Copy)]
pub(super) struct TemplateValues<'f> {
    pub(super) timestamp: &'f str,
    pub(super) id: &'f str,
    pub(super) body: &'f [u8],
}

impl SignedContentTemplate {
    pub(super) fn has_timestamp(&self) -> bool {
        self.0.contains(&TemplatePiece::Timestamp)
    }

    pub(super) fn has_id(&self) -> bool {
        self.0.contains(&TemplatePiece::Id)
    }

    /// The signed bytes, piece by piece.
    pub(super) fn render<'f>(&'f self, filling: TemplateValues<'f>) -> impl Iterator<Item = &'f [u8]> {
        self.0.iter().map(move |piece| match piece {
            TemplatePiece::Text(text) => text.as_bytes(),
            TemplatePiece::Timestamp => filling.timestamp.as_bytes(),
            TemplatePiece::Id => filling.id.as_bytes(),
            TemplatePiece::Body => filling.body,
        })
    }
}

impl FromStr for SignedContentTemplate {
    type Err = ParseTemplateError;

    fn from_str(text: &str) -> Result<Self, ParseTemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, after) = rest.split_once('{').unwrap_or((rest, ""));
            if literal.contains('}') || (after.is_empty() && literal.len() != rest.len()) {
                return Err(ParseTemplateError);
            }
            if !literal.is_empty() {
                pieces.push(TemplatePiece::Text(literal.to_owned()));
            }
            if after.is_empty() {
                break;
            }
            let (name, after) = after.split_once('}').ok_or(ParseTemplateError)?;
            pieces.push(match name {
                "timestamp" => TemplatePiece::Timestamp,
                "id" => TemplatePiece::Id,
                "body" => TemplatePiece::Body,
                _ => return Err(ParseTemplateError),
            });
            rest = after;
        }
        let count = |wanted: &TemplatePiece| pieces.iter().filter(|piece| *piece == wanted).count();
        let fine = count(&TemplatePiece::Body) == 1
            && count(&TemplatePiece::Timestamp) <= 1
            && count(&TemplatePiece::Id) <= 1;
        if fine { Ok(Self(pieces)) } else { Err(ParseTemplateError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let filled = |template: &str| {
            let template: SignedContentTemplate = template.parse().unwrap();
            let filling = TemplateValues { timestamp: "12", id: "msg", body: b"{body}" };
            template.render(filling).collect::<Vec<_>>().concat()
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
            assert_eq!(text.parse::<SignedContentTemplate>(), Err(ParseTemplateError), "{text}");
        }
    }
}
