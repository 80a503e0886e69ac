//! Subjects read from a file, before they are sent to the broker.

/// Whether this is the subject of a message, below `prefix`: a file must not be able to write elsewhere, and the
/// broker's protocol ends a subject at white space.
pub(crate) fn is_literal_under(prefix: &str, subject: &str) -> bool {
    let is_token = |token: &str| !token.is_empty() && token != "*" && token != ">";
    subject.strip_prefix(prefix).is_some_and(|rest| rest.split('.').all(is_token))
        && !subject.contains([' ', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_message_can_stand_under() {
        let holds = |subject| is_literal_under("events.v1.", subject);
        assert!(holds("events.v1.7.gaytemzugu3doobzmfrggzdfmy"));
        assert!(holds("events.v1.x"));
        for other in [
            "",
            "events.v1.",
            "events.v1..x",
            "events.v1.x.",
            "events.v1.*",
            "events.v1.>",
            "events.v2.x",
            "events.v1.x y",
            "events.v1.x\r\nPUB y 0",
            "$KV.keys.x",
        ] {
            assert!(!holds(other), "{other:?}");
        }
    }
}
