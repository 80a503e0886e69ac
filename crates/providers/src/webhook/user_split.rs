//! Whom a delivery is about.
//!
//! Some providers put several of their users into one body. Each user's record gets the elements about them and no
//! others, each byte for byte as it was sent; a body about one user is kept as a whole, so that its signature can be
//! verified again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{DeliveryPart, WebhookError, form_parameter};
use crate::JsonPointer;
use crate::json_pointer::is_valid_id;
use crate::table_reader::Section;

const NO_USER: WebhookError = WebhookError::Malformed("the body does not say whom it is about");
const NOT_JSON: WebhookError = WebhookError::Malformed("the body is not JSON of the provider's form");

/// Where a body says whom it is about.
#[derive(Debug, Clone)]
pub(super) enum UserLocation {
    /// Nowhere.
    NoUser,
    /// In a field of a form.
    Form { field: String },
    /// In a JSON document.
    Json { elements: Elements, user: JsonPointer, optional: bool },
}

/// What of a JSON document is about one user each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    /// All of it.
    Body,
    /// Each element of the array that it is.
    Array,
    /// Each element of the array that it is; one that is no array is about one user.
    ArrayOrBody,
    /// Each element of each array that is a member of the object that it is.
    Members,
}

impl UserLocation {
    pub(super) fn parse(section: &mut Section, is_form: bool) -> Option<Self> {
        if is_form {
            section.require_keys(&["form_field"]);
            return Some(Self::Form { field: section.string("form_field")? });
        }
        section.require_keys(&["pointer"]);
        let user = section.parse_string("pointer");
        let elements = [
            ("body", Elements::Body),
            ("array", Elements::Array),
            ("array_or_body", Elements::ArrayOrBody),
            ("members", Elements::Members),
        ];
        let elements = section.choice("elements", &elements).unwrap_or(Elements::Body);
        let optional = section.boolean("optional").unwrap_or(false);
        Some(Self::Json { elements, user: user?, optional })
    }

    pub(super) fn split_by_user(&self, body: &[u8]) -> Result<Vec<DeliveryPart>, WebhookError> {
        match self {
            Self::NoUser => Ok(vec![whole_body_part(None, body)]),
            Self::Form { field } => {
                let user = form_parameter::single_parameter(body, field)
                    .ok()
                    .flatten()
                    .filter(|user| is_valid_id(user));
                Ok(vec![whole_body_part(Some(user.ok_or(NO_USER)?), body)])
            }
            Self::Json { elements, user, optional } => {
                let id = |element: &str| {
                    let element: Value = serde_json::from_str(element).map_err(|_| NOT_JSON)?;
                    let id = user.resolve_id(&element).map_err(|_| NO_USER)?;
                    if id.is_none() && !optional { Err(NO_USER) } else { Ok(id) }
                };
                split_document(body, *elements, id)
            }
        }
    }
}

fn split_document(
    body: &[u8],
    elements: Elements,
    id: impl Fn(&str) -> Result<Option<String>, WebhookError>,
) -> Result<Vec<DeliveryPart>, WebhookError> {
    let document: &RawValue = serde_json::from_slice(body).map_err(|_| NOT_JSON)?;
    let document = document.get();
    let is_array = document.starts_with('[');
    let mut parts = UserParts::default();
    match elements {
        Elements::ArrayOrBody if !is_array => return Ok(vec![whole_body_part(id(document)?, body)]),
        Elements::Body => return Ok(vec![whole_body_part(id(document)?, body)]),
        Elements::Array | Elements::ArrayOrBody => {
            for element in parse_array(document)? {
                parts.add(id(element.get())?, "", element.get());
            }
        }
        Elements::Members => {
            for (name, member) in parse_object(document)? {
                for element in parse_array(member.get())? {
                    parts.add(id(element.get())?, name.get(), element.get());
                }
            }
        }
    }
    Ok(parts.finish(body))
}

fn parse_array(text: &str) -> Result<Vec<&RawValue>, WebhookError> {
    serde_json::from_str(text).map_err(|_| NOT_JSON)
}

/// An object's members in their order, their names as they were sent.
fn parse_object(text: &str) -> Result<Vec<(&RawValue, &RawValue)>, WebhookError> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(&'de RawValue, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }

    serde_json::Deserializer::from_str(text).deserialize_map(Members).map_err(|_| NOT_JSON)
}

fn whole_body_part(provider_user: Option<String>, body: &[u8]) -> DeliveryPart {
    DeliveryPart { provider_user, body: body.to_vec(), is_whole_body: true }
}

/// The elements of each user, in the order in which the users come up.
#[derive(Default)]
struct UserParts<'b> {
    users: HashMap<Option<String>, usize>,
    parts: Vec<(Option<String>, Vec<Element<'b>>)>,
}

/// An element, and the name of the member that it is in, with its quotes; empty if it is in none.
struct Element<'b> {
    member: &'b str,
    text: &'b str,
}

impl<'b> UserParts<'b> {
    fn add(&mut self, user: Option<String>, member: &'b str, text: &'b str) {
        let at = match self.users.entry(user.clone()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                self.parts.push((user, Vec::new()));
                *entry.insert(self.parts.len() - 1)
            }
        };
        self.parts[at].1.push(Element { member, text });
    }

    fn finish(self, body: &[u8]) -> Vec<DeliveryPart> {
        if let [(user, _)] = self.parts.as_slice() {
            return vec![whole_body_part(user.clone(), body)];
        }
        let part = |(provider_user, elements): (_, Vec<Element<'_>>)| DeliveryPart {
            provider_user,
            body: join_elements(&elements).into_bytes(),
            is_whole_body: false,
        };
        self.parts.into_iter().map(part).collect()
    }
}

/// The elements in a document of the form that they came in. Elements of one member stand together, as they were read.
fn join_elements(elements: &[Element<'_>]) -> String {
    let arrays = elements.chunk_by(|one, next| one.member == next.member).map(|elements| {
        let texts: Vec<_> = elements.iter().map(|element| element.text).collect();
        let array = format!("[{}]", texts.join(","));
        if elements[0].member.is_empty() { array } else { format!("{}:{array}", elements[0].member) }
    });
    let arrays: Vec<_> = arrays.collect();
    let in_members = elements.iter().any(|element| !element.member.is_empty());
    if in_members { format!("{{{}}}", arrays.join(",")) } else { arrays.concat() }
}

#[cfg(test)]
mod tests;
