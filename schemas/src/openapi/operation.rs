//! Builds one operation of the document.

use serde_json::{Map, Value, json};

use crate::ProblemCode;

/// Group of operations. Client generators make one module of each.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    Summaries,
    Events,
    Devices,
    Connections,
    Exports,
    Erasures,
    Webhooks,
    Service,
}

impl Tag {
    const ALL: [Self; 8] = [
        Self::Summaries,
        Self::Events,
        Self::Devices,
        Self::Connections,
        Self::Exports,
        Self::Erasures,
        Self::Webhooks,
        Self::Service,
    ];

    /// Name and description.
    const fn definition(self) -> (&'static str, &'static str) {
        match self {
            Self::Summaries => {
                ("Summaries", "Post signed daily summaries; read the merged rows and their history.")
            }
            Self::Events => ("Events", "The caller's own events, and proofs that the log has them."),
            Self::Devices => ("Devices", "Signing keys of devices, and reports of devices about themselves."),
            Self::Connections => ("Connections", "Connections to health providers (OAuth)."),
            Self::Exports => ("Exports", "All data of an account as a zip file."),
            Self::Erasures => ("Erasures", "Erase an account for good, with a receipt."),
            Self::Webhooks => ("Webhooks", "Called by health providers."),
            Self::Service => ("Service", "Health, metrics and this document."),
        }
    }
}

/// The top-level `tags`.
pub(super) fn tags() -> Value {
    let describe = |tag: &Tag| {
        let (name, description) = tag.definition();
        json!({ "name": name, "description": description })
    };
    Tag::ALL.iter().map(describe).collect()
}

/// An operation under construction. Without [`scopes`](Self::scopes) and [`receipt_token`](Self::receipt_token) it needs
/// no authentication (`security: []`).
pub(super) struct Operation {
    summary: String,
    members: Map<String, Value>,
    scopes: Vec<String>,
    takes_receipt_token: bool,
    responses: Map<String, Value>,
}

impl Operation {
    pub(super) fn new(tag: Tag, id: &str, summary: &str) -> Self {
        let mut members = Map::new();
        members.insert("tags".to_owned(), json!([tag.definition().0]));
        members.insert("operationId".to_owned(), json!(id));
        Self {
            summary: summary.to_owned(),
            members,
            scopes: Vec::new(),
            takes_receipt_token: false,
            responses: Map::new(),
        }
    }

    pub(super) fn description(self, text: &str) -> Self {
        self.member("description", json!(text))
    }

    /// Accepts a user's token with one of these scopes.
    pub(super) fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes.extend(scopes.iter().map(|scope| (*scope).to_owned()));
        self
    }

    /// Accepts the receipt token of the erasure.
    pub(super) fn receipt_token(mut self) -> Self {
        self.takes_receipt_token = true;
        self
    }

    pub(super) fn parameters(self, parameters: impl Into<Value>) -> Self {
        self.member("parameters", parameters.into())
    }

    /// A JSON body of this component.
    pub(super) fn body(self, component: &str, is_required: bool) -> Self {
        let content = json!({ "application/json": { "schema": reference(component) } });
        self.member("requestBody", json!({ "required": is_required, "content": content }))
    }

    /// A response without a body.
    pub(super) fn empty(mut self, status: &str, description: &str) -> Self {
        self.responses.insert(status.to_owned(), correlated(description));
        self
    }

    /// A response with a body of this schema.
    pub(super) fn content(self, status: &str, description: &str, media_type: &str, schema: &Value) -> Self {
        self.empty(status, description).response_member(
            status,
            "content",
            media_type,
            json!({ "schema": schema }),
        )
    }

    /// A response with a JSON body of this component.
    pub(super) fn json(self, status: &str, description: &str, component: &str) -> Self {
        self.content(status, description, "application/json", &reference(component))
    }

    /// A header of a response.
    pub(super) fn header(self, status: &str, name: &str, description: &str) -> Self {
        self.response_member(status, "headers", name, text_header(description))
    }

    /// Links from responses to operations that take a member of the body as their parameter: link name, operation id,
    /// parameter, member.
    pub(super) fn links(mut self, statuses: &[&str], links: &[(&str, &str, &str, &str)]) -> Self {
        for status in statuses {
            for (name, operation, parameter, member) in links {
                let mut parameters = Map::new();
                parameters.insert((*parameter).to_owned(), json!(format!("$response.body#/{member}")));
                let link = json!({ "operationId": operation, "parameters": parameters });
                self = self.response_member(status, "links", name, link);
            }
        }
        self
    }

    /// One response per status, with every code that it can have.
    pub(super) fn errors(mut self, codes: &[ProblemCode]) -> Self {
        let mut statuses: Vec<_> = codes.iter().map(|code| code.status()).collect();
        statuses.sort_unstable();
        statuses.dedup();
        for status in statuses {
            let texts: Vec<_> = codes
                .iter()
                .filter(|code| code.status() == status)
                .map(|code| format!("`{}`: {}", code.as_str(), code.title()))
                .collect();
            self = self.error(status, &texts.join("; "));
        }
        self
    }

    /// An error response whose description is not the titles of its codes.
    pub(super) fn error(self, status: u16, description: &str) -> Self {
        let headers: &[(&str, &str)] = match status {
            401 => &[("WWW-Authenticate", "For `invalid_token` (RFC 6750).")],
            429 => &[
                ("Retry-After", "Seconds."),
                ("RateLimit", "What is left."),
                ("RateLimit-Policy", "The limits."),
            ],
            503 => &[("Retry-After", "Seconds.")],
            _ => &[],
        };
        let status = status.to_string();
        let with_body = self.content(&status, description, "application/problem+json", &reference("Problem"));
        headers
            .iter()
            .fold(with_body, |operation, (name, description)| operation.header(&status, name, description))
    }

    /// The operation. Its summary names what the caller needs: readers see it in lists where `security` is not shown.
    pub(super) fn build(mut self) -> Value {
        let mut security: Vec<_> = self.scopes.iter().map(|scope| json!({ "token": [scope] })).collect();
        let mut needs = Vec::new();
        if !self.scopes.is_empty() {
            needs.push(format!("scope {}", self.scopes.join(" or ")));
        }
        if self.takes_receipt_token {
            security.push(json!({ "receiptToken": [] }));
            needs.push("with its receipt token".to_owned());
        }
        if !needs.is_empty() {
            self.summary = format!("{} ({})", self.summary, needs.join(", or "));
        }
        self.members.insert("summary".to_owned(), self.summary.into());
        self.members.insert("security".to_owned(), security.into());
        self.members.insert("responses".to_owned(), self.responses.into());
        self.members.into()
    }

    /// A response without `X-Correlation-Id`, and with a body of this media type, if any.
    pub(super) fn uncorrelated(
        mut self,
        status: &str,
        description: &str,
        content: Option<(&str, &Value)>,
    ) -> Self {
        let mut response = json!({ "description": description });
        if let Some((media_type, schema)) = content {
            response["content"][media_type] = json!({ "schema": schema });
        }
        self.responses.insert(status.to_owned(), response);
        self
    }

    fn member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    fn response_member(mut self, status: &str, group: &str, name: &str, value: Value) -> Self {
        let response = self.responses.get_mut(status);
        let Some(response) = response else {
            panic!("BUG: {name} belongs to the response {status}, which comes later")
        };
        response[group][name] = value;
        self
    }
}

/// A `$ref` to a component.
pub(super) fn reference(component: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{component}") })
}

fn correlated(description: &str) -> Value {
    json!({
        "description": description,
        "headers": { "X-Correlation-Id": { "$ref": "#/components/headers/X-Correlation-Id" } },
    })
}

fn text_header(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}
