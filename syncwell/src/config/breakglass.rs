//! `[breakglass]`: authorized operators, and the keys of the index.

use std::path::PathBuf;

use breakglass::{AuthorizedOperator, AuthorizedOperators};

use super::secrets::{self, SecretLocation};
use super::toml_reader::ConfigReader;
use crate::data_dir::DataDir;

/// Authorized operators, the secret that opens the index, and its public half.
#[derive(Debug)]
pub(crate) struct BreakGlassSettings {
    pub(crate) operators: AuthorizedOperators,
    pub(crate) key: SecretLocation,
    pub(crate) recipient: PathBuf,
}

pub(super) fn breakglass(read: &mut ConfigReader, home: &DataDir) -> BreakGlassSettings {
    const FORM: &str = "a list of people like \"ana=<64 hex characters>\"";
    let people: Vec<AuthorizedOperator> = read.list("breakglass.people", FORM, |text| text.parse().ok());
    let people = AuthorizedOperators::new(people).unwrap_or_else(|error| {
        read.report_invalid("breakglass.people", error);
        AuthorizedOperators::default()
    });
    BreakGlassSettings {
        operators: people,
        key: secrets::secret_location(read, "breakglass", home),
        recipient: read.path("breakglass.recipient_file").unwrap_or_else(|| home.path("breakglass.pub")),
    }
}
