//! The OpenAPI document is equal to the routers, and complete.

use std::collections::BTreeSet;

use schemas::ProblemCode;
use serde_json::{Map, Value};

use crate::harness::{RawRequest, System};

/// A method and a path.
type Operation = (String, String);

/// The members of a path item that are no operation.
const PATH_PARAMETERS: &str = "parameters";

fn document() -> Value {
    serde_json::from_str(include_str!("../schemas/openapi.json")).unwrap()
}

fn members<'v>(value: &'v Value, name: &str) -> &'v Map<String, Value> {
    value[name].as_object().unwrap_or_else(|| panic!("{name} is missing"))
}

fn elements<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// Every operation with its path item.
fn documented_operations(document: &Value) -> Vec<(Operation, &Value, &Value)> {
    let paths = members(document, "paths").iter();
    paths
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter().filter(|(name, _)| *name != PATH_PARAMETERS);
            operations
                .map(move |(method, operation)| ((method.to_uppercase(), path.clone()), item, operation))
        })
        .collect()
}

fn documented() -> BTreeSet<Operation> {
    documented_operations(&document()).into_iter().map(|(name, ..)| name).collect()
}

/// The operations that the routers of all roles recorded.
fn served() -> BTreeSet<Operation> {
    let recorded = [ingest::api_operations(), projector::api_operations(), http_edge::health_operations()];
    let recorded = recorded.concat();
    let served: BTreeSet<_> =
        recorded.iter().map(|(method, path)| (method.to_string(), (*path).to_owned())).collect();
    assert_eq!(served.len(), recorded.len(), "two roles serve one operation");
    served
}

#[test]
fn routers_and_document_have_the_same_operations() {
    let (documented, served) = (documented(), served());
    let undocumented: Vec<_> = served.difference(&documented).collect();
    let unserved: Vec<_> = documented.difference(&served).collect();
    assert!(
        undocumented.is_empty() && unserved.is_empty(),
        "not documented: {undocumented:?}; not served: {unserved:?}"
    );
}

/// The routers record what axum routes: a running server allows exactly the documented methods of each path.
#[tokio::test]
async fn server_allows_the_documented_methods() {
    let system = System::start();
    let credentials = system.credentials("ana", &[]);
    let document = document();
    let operations = documented_operations(&document);
    for (path, item) in members(&document, "paths") {
        let mut expected: BTreeSet<_> = operations
            .iter()
            .filter(|((_, of), ..)| of == path)
            .map(|((method, _), ..)| method.clone())
            .collect();
        if expected.contains("GET") {
            expected.insert("HEAD".to_owned());
        }
        let parameters = operations
            .iter()
            .filter(|((_, of), ..)| of == path)
            .flat_map(|(_, _, operation)| elements(operation, "parameters"))
            .chain(elements(item, PATH_PARAMETERS));
        let mut concrete = path.clone();
        for parameter in parameters.filter(|parameter| parameter["in"] == "path") {
            let placeholder = format!("{{{}}}", parameter["name"].as_str().unwrap());
            concrete = concrete.replace(&placeholder, parameter["example"].as_str().unwrap());
        }
        let request = RawRequest { method: "PATCH", ..RawRequest::get(&credentials, &concrete) };
        let response = request.send(&system.base_url).await;
        assert_eq!(response.status, 405, "PATCH {concrete}: {response:?}");
        let allowed: BTreeSet<_> =
            response.headers["allow"].split(',').map(|method| method.trim().to_owned()).collect();
        assert_eq!(allowed, expected, "{path}");
    }
}

#[test]
fn every_operation_is_complete() {
    let document = document();
    let tags: BTreeSet<_> = elements(&document, "tags").iter().map(|tag| tag["name"].to_string()).collect();
    let mut ids = BTreeSet::new();
    for ((method, path), item, operation) in documented_operations(&document) {
        let name = format!("{method} {path}");
        let [tag] = elements(operation, "tags") else { panic!("{name} has no single tag") };
        assert!(tags.contains(&tag.to_string()), "{name}: the tag {tag} is not declared");
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{name}: the operationId is not unique"
        );
        assert!(operation["summary"].is_string(), "{name} has no summary");
        assert!(operation["security"].is_array(), "{name} does not say which token it needs");
        let parameters = elements(operation, "parameters").iter().chain(elements(item, PATH_PARAMETERS));
        let mut in_path = BTreeSet::new();
        for parameter in parameters {
            let parameter_name = parameter["name"].as_str().unwrap();
            let is_described = parameter["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(is_described, "{name}: {parameter_name} has no description");
            assert!(parameter["example"].is_string(), "{name}: {parameter_name} has no example");
            if parameter["in"] == "path" {
                in_path.insert(parameter_name);
            }
        }
        let placeholders: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(in_path, placeholders, "{name}");
    }
}

#[test]
fn every_reference_resolves_and_every_component_is_used() {
    fn collect<'v>(value: &'v Value, references: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(members) => {
                references.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| collect(member, references));
            }
            Value::Array(elements) => elements.iter().for_each(|element| collect(element, references)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    let schemas = members(&document["components"], "schemas").keys();
    let headers = members(&document["components"], "headers").keys();
    let components: BTreeSet<_> = schemas
        .map(|name| format!("#/components/schemas/{name}"))
        .chain(headers.map(|name| format!("#/components/headers/{name}")))
        .collect();
    assert_eq!(references, components.iter().map(String::as_str).collect());
}

#[test]
fn every_problem_code_is_the_answer_of_some_operation() {
    let document = document();
    let descriptions: Vec<_> = documented_operations(&document)
        .into_iter()
        .flat_map(|(.., operation)| members(operation, "responses").values())
        .filter_map(|response| response["description"].as_str())
        .collect();
    for code in ProblemCode::ALL {
        let name = format!("`{}`", code.as_str());
        assert!(descriptions.iter().any(|text| text.contains(&name)), "no response names {name}");
    }
}
