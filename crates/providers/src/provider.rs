//! One provider's table, format 1.

use toml::Table;

use crate::table_reader::{Section, TableError};
use crate::{Evidence, OAuthSettings, ProviderName, ProviderWebhook};

/// The only format there is.
const FORMAT: i64 = 1;

/// One provider, as its table has it.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name, as in the file's.
    pub name: ProviderName,
    /// Its name for people.
    pub title: String,
    /// How well the rest is established.
    pub evidence: Evidence,
    /// How users are connected. `None`: not by this installation (the aggregators have pages of their own).
    pub oauth: Option<OAuthSettings>,
    /// How it says that there is something new. `None`: it does not, it is polled.
    pub webhook: Option<ProviderWebhook>,
}

impl Provider {
    /// Reads a table; `file` is the file's name without the extension.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Vec<TableError>> {
        let whole = |problem: String| TableError { table: file.to_owned(), key: String::new(), problem };
        let values: Table = text
            .parse()
            .map_err(|error: toml::de::Error| vec![whole(format!("not TOML: {}", error.message()))])?;
        let mut root = Section::new(file, values);
        let provider = parse_table(file, &mut root);
        let mut errors = Vec::new();
        root.finish_into(&mut errors);
        match provider {
            Some(provider) if errors.is_empty() => Ok(provider),
            Some(_) => Err(errors),
            None if errors.is_empty() => unreachable!("BUG: a table is refused without a reason"),
            None => Err(errors),
        }
    }
}

fn parse_table(file: &str, root: &mut Section) -> Option<Provider> {
    root.require_keys(&["format", "name", "title", "evidence"]);
    root.integer("format", FORMAT..=FORMAT);
    let name = root.parse_string::<ProviderName>("name");
    if name.as_ref().is_some_and(|name| name.as_str() != file) {
        root.add_error("name", "must be the file's name");
    }
    let title = root.string("title");
    let (has_oauth, has_webhook) = (root.contains("oauth"), root.contains("webhook"));
    if !has_oauth && !has_webhook {
        root.add_error("webhook", "is missing, and so is `oauth`: the table says nothing");
    }
    let evidence =
        parse_subsection(root, "evidence", |section| Evidence::parse(section, has_oauth, has_webhook));
    let oauth = parse_subsection(root, "oauth", OAuthSettings::parse);
    let webhook = parse_subsection(root, "webhook", ProviderWebhook::parse);
    Some(Provider {
        name: name?,
        title: title?,
        evidence: evidence?,
        oauth: if has_oauth { Some(oauth?) } else { None },
        webhook: if has_webhook { Some(webhook?) } else { None },
    })
}

/// Reads a section inside of another with its errors.
pub(crate) fn parse_subsection<T>(
    parent: &mut Section,
    key: &str,
    parse: impl FnOnce(&mut Section) -> Option<T>,
) -> Option<T> {
    let mut section = parent.subsection(key)?;
    let value = parse(&mut section);
    section.finish_into_parent(parent);
    value
}
