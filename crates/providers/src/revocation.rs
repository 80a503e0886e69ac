//! How a connection is ended at the provider. No two do it alike.

use url::Url;

use crate::ClientAuthentication;
use crate::json_pointer::is_valid_id;
use crate::table_reader::Section;
use crate::table_reader::check_https_url;

/// The segment of a path that the provider's user id takes the place of.
const USER_PLACEHOLDER: &str = "{user}";

/// A provider's way to end a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationEndpoint {
    /// The request's form.
    pub method: RevocationMethod,
    /// How the client says who it is, where that differs from the token endpoint. Only for
    /// [`RevocationMethod::PostToken`].
    pub client_authentication: Option<ClientAuthentication>,
    /// Without the path where the path has a user.
    base_url: Url,
    /// The path's segments, if one is the user's.
    path_segments: Option<Vec<String>>,
}

/// A revocation request's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationMethod {
    /// RFC 7009: `POST` with the form `token=…` and client authentication.
    PostToken,
    /// `POST` with the form `access_token=…`.
    PostForm,
    /// `POST` with `?access_token=…` and no body.
    PostQuery,
    /// `DELETE` with the access token as the bearer.
    DeleteBearer,
}

/// The URL needs the provider's user id, and there is none that can stand in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the revocation URL needs the provider's user id")]
pub struct RevocationUrlError;

impl RevocationEndpoint {
    /// Whether the URL has the provider's user id in it.
    pub fn needs_user_id(&self) -> bool {
        self.path_segments.is_some()
    }

    /// Where the request goes. For [`RevocationMethod::PostQuery`] the token is still to be added.
    pub fn url(&self, provider_user: Option<&str>) -> Result<Url, RevocationUrlError> {
        let mut url = self.base_url.clone();
        let Some(segments) = &self.path_segments else { return Ok(url) };
        // A segment of dots would lead elsewhere.
        let user = provider_user.filter(|user| is_valid_id(user) && !matches!(*user, "." | ".."));
        let user = user.ok_or(RevocationUrlError)?;
        url.path_segments_mut().unwrap_or_else(|()| unreachable!("BUG: an https URL has a path")).extend(
            segments.iter().map(|segment| if segment == USER_PLACEHOLDER { user } else { segment.as_str() }),
        );
        Ok(url)
    }

    /// The URL as far as its host goes.
    pub(crate) fn base_url(&self) -> &Url {
        &self.base_url
    }

    pub(crate) fn parse(section: &mut Section) -> Option<Self> {
        section.require_keys(&["method", "url"]);
        let methods = [
            ("post_token", RevocationMethod::PostToken),
            ("post_form", RevocationMethod::PostForm),
            ("post_query", RevocationMethod::PostQuery),
            ("delete_bearer", RevocationMethod::DeleteBearer),
        ];
        let method = section.choice("method", &methods);
        let authentication = [
            ("basic", ClientAuthentication::Basic),
            ("body", ClientAuthentication::Body),
            ("none", ClientAuthentication::None),
        ];
        let client_authentication = section.choice("client_authentication", &authentication);
        if client_authentication.is_some()
            && method.is_some_and(|method| method != RevocationMethod::PostToken)
        {
            section.add_error("client_authentication", "is only for the method post_token");
        }
        let text = section.string("url")?;
        match parse_url_template(&text) {
            Ok((base, segments)) => {
                Some(Self { method: method?, client_authentication, base_url: base, path_segments: segments })
            }
            Err(problem) => {
                section.add_error("url", problem);
                None
            }
        }
    }
}

/// The URL, and the path's segments apart from it if one of them is the user's.
fn parse_url_template(text: &str) -> Result<(Url, Option<Vec<String>>), &'static str> {
    let (before, rest) = text.split_once("//").unwrap_or((text, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    let users = segments.iter().filter(|segment| *segment == USER_PLACEHOLDER).count();
    let with_user = users > 0;
    if text.matches(['{', '}']).count() != 2 * users || users > 1 {
        return Err("may have {user} once, as a whole segment of the path");
    }
    if with_user && segments.iter().any(|segment| segment.contains(['?', '%', '#']) || segment.is_empty()) {
        return Err("must have a plain path around {user}");
    }
    let whole = if with_user { format!("{before}//{authority}/") } else { text.to_owned() };
    let url = Url::parse(&whole).map_err(|_| "must be a URL")?;
    check_https_url(&url)?;
    Ok((url, with_user.then_some(segments)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation(url: &str) -> Result<RevocationEndpoint, &'static str> {
        let (base, segments) = parse_url_template(url)?;
        Ok(RevocationEndpoint {
            method: RevocationMethod::DeleteBearer,
            client_authentication: None,
            base_url: base,
            path_segments: segments,
        })
    }

    #[test]
    fn a_user_takes_one_segment_and_no_more() {
        let polar = revocation("https://host.test:8443/v3/users/{user}").unwrap();
        let url = |user| polar.url(Some(user)).map(|url| url.to_string());
        assert_eq!(url("12345").unwrap(), "https://host.test:8443/v3/users/12345");
        assert_eq!(url("a/../b?c#d").unwrap(), "https://host.test:8443/v3/users/a%2F..%2Fb%3Fc%23d");
        for user in [None, Some(""), Some("."), Some(".."), Some("a\nb")] {
            assert_eq!(polar.url(user), Err(RevocationUrlError), "{user:?}");
        }
        assert!(polar.needs_user_id());
    }

    #[test]
    fn a_url_without_a_user_stays_as_it_is() {
        let plain = revocation("https://host.test/oauth/revoke?a=b").unwrap();
        assert!(!plain.needs_user_id());
        assert_eq!(plain.url(None).unwrap().as_str(), "https://host.test/oauth/revoke?a=b");
        assert_eq!(plain.url(Some("..")).unwrap().as_str(), "https://host.test/oauth/revoke?a=b");
    }

    #[test]
    fn urls_that_are_refused() {
        for url in [
            "http://host.test/{user}",
            "https://host.test/users/{user}/{user}",
            "https://host.test/users/x{user}",
            "https://host.test/users/{id}",
            "https://host.test/?user={user}",
            "https://{user}/users",
            "https://host.test//{user}",
            "https://me:pass@host.test/{user}",
            "host.test/{user}",
            "",
        ] {
            assert!(revocation(url).is_err(), "{url}");
        }
    }
}
