use proptest::prelude::*;

use super::*;

fn json_users(elements: Elements, pointer: &str, optional: bool) -> UserLocation {
    UserLocation::Json { elements, user: pointer.parse().unwrap(), optional }
}

type Part = (Option<String>, String, bool);

fn split_as_text(users: &UserLocation, body: &str) -> Result<Vec<Part>, WebhookError> {
    let text = |body| String::from_utf8(body).unwrap();
    let parts = users.split_by_user(body.as_bytes())?;
    Ok(parts.into_iter().map(|part| (part.provider_user, text(part.body), part.is_whole_body)).collect())
}

fn part(user: &str, body: &str) -> Part {
    (Some(user.to_owned()), body.to_owned(), false)
}

fn whole_part(user: Option<&str>, body: &str) -> Part {
    (user.map(str::to_owned), body.to_owned(), true)
}

#[test]
fn each_user_gets_the_elements_about_them_as_sent() {
    let users = json_users(Elements::Array, "/ownerId", false);
    let body = r#" [ {"ownerId":"a","n": 1.50 } , {"ownerId":"b"},{ "ownerId" : "a" , "x":"\u0041]," } ] "#;
    assert_eq!(
        split_as_text(&users, body),
        Ok(vec![
            part("a", r#"[{"ownerId":"a","n": 1.50 },{ "ownerId" : "a" , "x":"\u0041]," }]"#),
            part("b", r#"[{"ownerId":"b"}]"#),
        ])
    );
}

#[test]
fn a_body_about_one_user_stays_whole() {
    let users = json_users(Elements::Array, "/ownerId", false);
    let body = "[ {\"ownerId\":\"a\"},\n {\"ownerId\":\"a\"} ]";
    assert_eq!(split_as_text(&users, body), Ok(vec![whole_part(Some("a"), body)]));
    assert_eq!(split_as_text(&users, " [ ] "), Ok(Vec::new()));
    let users = json_users(Elements::Body, "/user_id", false);
    let body = "\n{\"user_id\": 10129}\n";
    assert_eq!(split_as_text(&users, body), Ok(vec![whole_part(Some("10129"), body)]));
}

#[test]
fn members_keep_their_names() {
    let users = json_users(Elements::Members, "/userId", false);
    let body = r#"{"dailies": [{"userId":"a","i":1}, {"userId":"b","i":2},{"userId":"a","i":3}],
        "sl\u0065eps":[{"userId":"b","i": 4}], "hrv":[] }"#;
    assert_eq!(
        split_as_text(&users, body),
        Ok(vec![
            part("a", r#"{"dailies":[{"userId":"a","i":1},{"userId":"a","i":3}]}"#),
            part("b", r#"{"dailies":[{"userId":"b","i":2}],"sl\u0065eps":[{"userId":"b","i": 4}]}"#),
        ])
    );
    let body = r#"{"dailies":[{"userId":"a"}],"sleeps":[{"userId":"a"}]}"#;
    assert_eq!(split_as_text(&users, body), Ok(vec![whole_part(Some("a"), body)]));
    assert_eq!(split_as_text(&users, "{}"), Ok(Vec::new()));
}

#[test]
fn one_element_may_stand_without_its_array() {
    let users = json_users(Elements::ArrayOrBody, "/data/id", false);
    let body = r#"{"data":{"id":"a"}}"#;
    assert_eq!(split_as_text(&users, body), Ok(vec![whole_part(Some("a"), body)]));
    let body = r#"[{"data":{"id":"a"}}, {"data":{"id":"b"}}]"#;
    let parts = vec![part("a", r#"[{"data":{"id":"a"}}]"#), part("b", r#"[{"data":{"id":"b"}}]"#)];
    assert_eq!(split_as_text(&users, body), Ok(parts));
}

#[test]
fn a_body_about_nobody() {
    let body = r#"{"type":"healthcheck"}"#;
    assert_eq!(
        split_as_text(&json_users(Elements::Body, "/user/user_id", true), body),
        Ok(vec![whole_part(None, body)])
    );
    assert_eq!(split_as_text(&json_users(Elements::Body, "/user/user_id", false), body), Err(NO_USER));
    assert_eq!(split_as_text(&UserLocation::NoUser, "not JSON"), Ok(vec![whole_part(None, "not JSON")]));
    let users = json_users(Elements::Array, "/id", true);
    let parts = vec![part("a", r#"[{"id":"a"}]"#), (None, r#"[{},{"id":null}]"#.to_owned(), false)];
    assert_eq!(split_as_text(&users, r#"[{"id":"a"},{},{"id":null}]"#), Ok(parts));
}

#[test]
fn forms_name_their_user_once() {
    let users = UserLocation::Form { field: "userid".to_owned() };
    let body = "userid=12345&startdate=1&enddate=2&appli=4";
    assert_eq!(split_as_text(&users, body), Ok(vec![whole_part(Some("12345"), body)]));
    for body in ["", "userid=", "USERID=1", "userid=1&userid=1", "appli=4", "userid=%0a", r#"{"userid":1}"#] {
        assert_eq!(split_as_text(&users, body), Err(NO_USER), "{body}");
    }
}

#[test]
fn bodies_of_another_form_are_malformed() {
    for (elements, body) in [
        (Elements::Body, ""),
        (Elements::Body, "{"),
        (Elements::Body, r#"{"id":"a"} x"#),
        (Elements::Array, r#"{"id":"a"}"#),
        (Elements::Array, r#"[{"id":"a"},]"#),
        (Elements::ArrayOrBody, "[1"),
        (Elements::Members, "[]"),
        (Elements::Members, r#"{"a":{"id":"a"}}"#),
        (Elements::Members, r#"{"a":[{"id":"a"}]"#),
        (Elements::Members, r#"{"a":[{"id":"a"}]} x"#),
    ] {
        assert_eq!(split_as_text(&json_users(elements, "/id", false), body), Err(NOT_JSON), "{body}");
    }
    let invalid_utf8 = b"{\"id\":\"\xff\"}";
    assert!(json_users(Elements::Body, "/id", true).split_by_user(invalid_utf8).is_err());
    for id in ["1.5", "true", "[]", "{}", "\"\"", "null"] {
        let body = format!(r#"[{{"id":{id}}},{{"id":"a"}}]"#);
        assert_eq!(split_as_text(&json_users(Elements::Array, "/id", false), &body), Err(NO_USER), "{body}");
    }
}

proptest! {
    /// Whatever the elements: each goes to its user, in its order, and none is lost or changed.
    #[test]
    fn no_element_is_lost_or_changed(elements in proptest::collection::vec((0..4_u8, ".{0,12}"), 2..12)) {
        let texts: Vec<_> = elements
            .iter()
            .map(|(user, text)| format!(r#"{{ "ownerId":{user}, "text":{} }}"#, serde_json::json!(text)))
            .collect();
        let body = format!("[{}]", texts.join(" , "));
        let parts = split_as_text(&json_users(Elements::Array, "/ownerId", false), &body).unwrap();
        for user in 0..4_u8 {
            let of_user: Vec<_> = elements.iter().zip(&texts).filter(|((of, _), _)| *of == user).collect();
            let joined = of_user.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(",");
            let id = Some(user.to_string());
            let found: Vec<_> = parts.iter().filter(|(of, ..)| *of == id).collect();
            if of_user.is_empty() {
                prop_assert!(found.is_empty());
            } else if parts.len() == 1 {
                prop_assert_eq!(&found[0].1, &body);
            } else {
                prop_assert_eq!(&found[0].1, &format!("[{joined}]"));
            }
        }
    }
}
