//! The component schemas, from the types.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::summary::json_schema;
use crate::{
    Accepted, AuthorizeRequest, ConnectRequest, ConnectionDocument, ConnectionStarted, ConnectionsDocument,
    DeviceDocument, DeviceReport, DeviceReportAccepted, DevicesDocument, EnrolRequest, EnrolledDevice,
    EraseRequest, ErasureAccepted, ErasureDocument, ExportAccepted, ExportDocument, HistoryDocument, Problem,
    ReauthRequest, RowDocument, RowsDocument,
};

/// One example per body, by component.
const EXAMPLES: &str = include_str!("examples.json");

/// The component schemas; `$ref`s point to each other within the document.
pub(super) fn components() -> Value {
    let mut schemas = requests();
    for (name, schema) in responses() {
        let before = schemas.insert(name.clone(), schema.clone());
        assert!(
            before.is_none_or(|before| before == schema),
            "BUG: {name} is one schema as a request and another as a response"
        );
    }
    schemas.insert("Summary".to_owned(), json_schema::summary(false));
    schemas.insert("Workout".to_owned(), json_schema::workout());
    schemas.insert(
        "ExportRequest".to_owned(),
        json!({
            "description": "Requests an export. It has no options yet.",
            "type": "object",
            "additionalProperties": false,
        }),
    );
    for (name, example) in examples() {
        let Some(schema) = schemas.get_mut(&name) else {
            panic!("BUG: an example of {name}, which is no component")
        };
        schema["examples"] = json!([example]);
    }
    schemas.into()
}

/// The settings of every generated schema: enums as `enum`, descriptions without the line breaks of the source.
pub(crate) fn settings(base: SchemaSettings) -> SchemaSettings {
    base.with_transform(RecursiveTransform(flatten_enum)).with_transform(RecursiveTransform(join_lines))
}

fn requests() -> Map<String, Value> {
    definitions(openapi_settings(), |generator| {
        generator.subschema_for::<EnrolRequest>();
        generator.subschema_for::<ConnectRequest>();
        generator.subschema_for::<ReauthRequest>();
        generator.subschema_for::<AuthorizeRequest>();
        generator.subschema_for::<DeviceReport>();
        generator.subschema_for::<EraseRequest>();
    })
}

fn responses() -> Map<String, Value> {
    let mut schemas = definitions(openapi_settings().for_serialize(), |generator| {
        generator.subschema_for::<Accepted>();
        generator.subschema_for::<RowDocument>();
        generator.subschema_for::<RowsDocument>();
        generator.subschema_for::<HistoryDocument>();
        generator.subschema_for::<EnrolledDevice>();
        generator.subschema_for::<DeviceDocument>();
        generator.subschema_for::<DevicesDocument>();
        generator.subschema_for::<ConnectionStarted>();
        generator.subschema_for::<ConnectionDocument>();
        generator.subschema_for::<ConnectionsDocument>();
        generator.subschema_for::<DeviceReportAccepted>();
        generator.subschema_for::<ExportAccepted>();
        generator.subschema_for::<ExportDocument>();
        generator.subschema_for::<ErasureAccepted>();
        generator.subschema_for::<ErasureDocument>();
        generator.subschema_for::<Problem>();
    });
    for component in ["Problem", "Violation"] {
        open_enums(&mut schemas[component]);
    }
    schemas
}

/// Lets every enum of an error grow: a client that is generated today must read a code that is added tomorrow.
fn open_enums(schema: &mut Value) {
    for property in schema["properties"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(referenced) = property.get("$ref").cloned() {
            let description = property["description"].as_str().unwrap_or_default();
            *property = json!({
                "anyOf": [{ "$ref": referenced }, { "type": "string" }],
                "description": format!("{description} More values may be added."),
            });
        }
    }
}

fn openapi_settings() -> SchemaSettings {
    settings(SchemaSettings::openapi3().with(|settings| {
        settings.meta_schema = None;
        settings.transforms.clear();
    }))
}

fn definitions(settings: SchemaSettings, collect: impl FnOnce(&mut SchemaGenerator)) -> Map<String, Value> {
    let mut generator = settings.into_generator();
    collect(&mut generator);
    generator.take_definitions(true)
}

/// Writes a choice of constants as `enum`, which client generators turn into one type. The description lists what each
/// value means.
fn flatten_enum(schema: &mut Schema) {
    let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let Some(names) =
        variants.iter().map(|variant| variant.get("const")?.as_str()).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let lines: Vec<_> = names
        .iter()
        .zip(variants)
        .map(|(name, variant)| format!("- `{name}`: {}", text(variant.get("description"))))
        .collect();
    let description = format!("{}\n\n{}", text(schema.get("description")), lines.join("\n"));
    let names = json!(names);
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), names);
    schema.insert("description".to_owned(), json!(description));
}

/// Joins the lines of each paragraph of a description. Paragraphs and list items stay apart.
fn join_lines(schema: &mut Schema) {
    let Some(description) = schema.get("description").and_then(Value::as_str) else { return };
    let paragraphs: Vec<_> = description
        .split("\n\n")
        .map(|paragraph| {
            let mut joined = String::new();
            for line in paragraph.lines() {
                if !joined.is_empty() {
                    joined.push(if line.starts_with("- ") { '\n' } else { ' ' });
                }
                joined.push_str(line);
            }
            joined
        })
        .collect();
    let description = paragraphs.join("\n\n");
    schema.insert("description".to_owned(), json!(description));
}

fn examples() -> Map<String, Value> {
    match serde_json::from_str(EXAMPLES) {
        Ok(examples) => examples,
        Err(error) => panic!("BUG: examples.json is not an object of examples: {error}"),
    }
}

#[cfg(test)]
mod tests;
