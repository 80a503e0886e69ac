//! One provider's table, format 1.

use toml::Table;

use crate::reader::{Section, TableError};
use crate::{Evidence, OAuth, ProviderName, Webhook};

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
    pub oauth: Option<OAuth>,
    /// How it says that there is something new. `None`: it does not, it is polled.
    pub webhook: Option<Webhook>,
}

impl Provider {
    /// Reads a table; `file` is the file's name without the extension.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Vec<TableError>> {
        let whole = |problem: String| TableError { table: file.to_owned(), key: String::new(), problem };
        let values: Table = text
            .parse()
            .map_err(|error: toml::de::Error| vec![whole(format!("not TOML: {}", error.message()))])?;
        let mut root = Section::root(file, values);
        let provider = read(file, &mut root);
        let mut errors = Vec::new();
        root.finish(&mut errors);
        match provider {
            Some(provider) if errors.is_empty() => Ok(provider),
            Some(_) => Err(errors),
            None if errors.is_empty() => unreachable!("BUG: a table is refused without a reason"),
            None => Err(errors),
        }
    }
}

fn read(file: &str, root: &mut Section) -> Option<Provider> {
    root.demand(&["format", "name", "title", "evidence"]);
    root.whole("format", FORMAT..=FORMAT);
    let name = root.parsed::<ProviderName>("name");
    if name.as_ref().is_some_and(|name| name.as_str() != file) {
        root.refuse("name", "must be the file's name");
    }
    let title = root.text("title");
    let (has_oauth, has_webhook) = (root.has("oauth"), root.has("webhook"));
    if !has_oauth && !has_webhook {
        root.refuse("webhook", "is missing, and so is `oauth`: the table says nothing");
    }
    let evidence = nested(root, "evidence", |section| Evidence::parse(section, has_oauth, has_webhook));
    let oauth = nested(root, "oauth", OAuth::parse);
    let webhook = nested(root, "webhook", Webhook::parse);
    Some(Provider {
        name: name?,
        title: title?,
        evidence: evidence?,
        oauth: if has_oauth { Some(oauth?) } else { None },
        webhook: if has_webhook { Some(webhook?) } else { None },
    })
}

/// Reads a section inside of another with its errors.
pub(crate) fn nested<T>(
    parent: &mut Section,
    key: &str,
    parse: impl FnOnce(&mut Section) -> Option<T>,
) -> Option<T> {
    let mut section = parent.section(key)?;
    let value = parse(&mut section);
    section.close(parent);
    value
}
