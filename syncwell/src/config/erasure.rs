//! `[erasure] returned`: users who came back after their erasure.

use std::collections::BTreeMap;

use keys::UserRef;

use super::toml_reader::ConfigReader;

/// Reads the erased users who may use the service again under a new pseudonym: the pseudonym before, and the number of
/// times they came back.
pub(super) fn returned_users(read: &mut ConfigReader) -> BTreeMap<UserRef, u32> {
    const FORM: &str = "a list of user refs and numbers like \"bv54zpiod3qorj64nzkxg56uze 1\"";
    let returned = read.list("erasure.returned", FORM, |text| {
        let (user, number) = text.split_once(' ')?;
        Some((user.parse().ok()?, number.parse().ok().filter(|number| *number > 0)?))
    });
    returned.into_iter().collect()
}
