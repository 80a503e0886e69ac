//! What a device says of itself (`/v1/device-reports`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// Characters of a version or of a system's name.
pub const REPORT_TEXT_CHARS_MAX: usize = 64;

/// Where a device keeps its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStorage {
    /// In hardware: a secure enclave, StrongBox, a trusted execution environment.
    Hardware,
    /// By the system, in software.
    Software,
    /// Unprotected.
    None,
}

/// A device's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceReport {
    /// Whether the app found the system compromised: rooted, or its protections removed.
    pub os_compromised: bool,
    /// Where the signing key is kept.
    pub key_storage: KeyStorage,
    /// The app's version: 1 to 64 printable ASCII characters.
    #[schemars(extend("pattern" = patterns::REPORT_TEXT))]
    pub app_version: String,
    /// The system's name, like `ios` or `android`; in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = patterns::REPORT_TEXT))]
    pub os: Option<String>,
    /// The system's version, in the same form.
    #[schemars(extend("pattern" = patterns::REPORT_TEXT))]
    pub os_version: String,
}

impl DeviceReport {
    /// Reads a report that was accepted once. `None` for one that never would have been.
    pub fn parse_accepted(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok().filter(|report: &Self| report.invalid_fields().is_empty())
    }

    /// Names the fields whose text is not in its form.
    pub fn invalid_fields(&self) -> Vec<&'static str> {
        let fields = [
            ("/app_version", Some(&self.app_version)),
            ("/os", self.os.as_ref()),
            ("/os_version", Some(&self.os_version)),
        ];
        let holds = |text: &String| {
            (1..=REPORT_TEXT_CHARS_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        };
        fields.into_iter().filter(|(_, text)| !text.is_none_or(holds)).map(|(pointer, _)| pointer).collect()
    }
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceReportAccepted {
    /// The event's name.
    pub event_id: crate::EventId,
    /// Its position in the log.
    pub sequence: crate::Sequence,
    /// Whether this very request had been accepted before.
    pub replayed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_a_form() {
        let good = DeviceReport {
            os_compromised: false,
            key_storage: KeyStorage::Hardware,
            app_version: "4.2.0 (417)".to_owned(),
            os: None,
            os_version: "26.1".to_owned(),
        };
        assert_eq!(good.invalid_fields(), Vec::<&str>::new());
        for wrong in ["", "26.1\n", "26\u{e9}", &"1".repeat(65)] {
            let report =
                DeviceReport { os: Some(wrong.to_owned()), os_version: wrong.to_owned(), ..good.clone() };
            assert_eq!(report.invalid_fields(), ["/os", "/os_version"], "{wrong:?}");
        }
    }

    #[test]
    fn what_the_door_refuses_was_never_accepted() {
        let good = r#"{"os_compromised":true,"key_storage":"none","app_version":"4.2.0","os":"ios","os_version":"26.1"}"#;
        let report = DeviceReport::parse_accepted(good).unwrap();
        assert_eq!((report.app_version.as_str(), report.key_storage), ("4.2.0", KeyStorage::None));
        for wrong in [
            "",
            "{}",
            &good.replace("none", "cloud"),
            &good.replace("4.2.0", "4.2\u{1b}[2J"),
            &good.replace("4.2.0", ""),
            &good.replace(r#""os":"#, r#""os_name":"#),
            &format!("{good}{good}"),
        ] {
            assert_eq!(DeviceReport::parse_accepted(wrong), None, "{wrong:?}");
        }
    }
}
