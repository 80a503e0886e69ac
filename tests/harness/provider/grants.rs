//! What users have granted: codes, and the tokens that came of them.

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use uuid::Uuid;

use super::profile::RefreshPolicy;

/// A user's consent, from its code to its end.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) user: Value,
    pub(super) scope: String,
    redirect_uri: String,
    challenge: Option<String>,
    code: AuthorizationCode,
    /// The tokens that are good.
    access_tokens: Vec<String>,
    refresh_tokens: Vec<String>,
    /// Single-use refresh tokens that were used.
    used_refresh_tokens: Vec<String>,
}

#[derive(Debug, Clone)]
enum AuthorizationCode {
    Unused(String),
    Used(String),
    Expired,
}

/// What a token request gets.
#[derive(Debug)]
pub(super) struct IssuedTokens {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) scope: String,
    pub(super) user: Value,
}

#[derive(Debug, Default)]
pub(super) struct Grants {
    grants: Vec<Grant>,
    /// Every code and token that ever was.
    issued: Vec<String>,
    /// How often a used code or refresh token came again.
    reuse_count: usize,
}

impl Grants {
    pub(super) fn create_grant(
        &mut self,
        user: Value,
        scope: &str,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> String {
        let code = self.issue_secret("code");
        self.grants.push(Grant {
            user,
            scope: scope.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.map(str::to_owned),
            code: AuthorizationCode::Unused(code.clone()),
            access_tokens: Vec::new(),
            refresh_tokens: Vec::new(),
            used_refresh_tokens: Vec::new(),
        });
        code
    }

    /// The code that was used last.
    pub(super) fn last_used_code(&self) -> Option<&str> {
        self.grants.iter().rev().find_map(|grant| match &grant.code {
            AuthorizationCode::Used(code) => Some(code.as_str()),
            AuthorizationCode::Unused(_) | AuthorizationCode::Expired => None,
        })
    }

    pub(super) fn expire_codes(&mut self) {
        for grant in &mut self.grants {
            if matches!(grant.code, AuthorizationCode::Unused(_)) {
                grant.code = AuthorizationCode::Expired;
            }
        }
    }

    /// Tokens for a code, once. A code that comes twice was stolen by somebody: its tokens end (RFC 6749, section 4.1.2).
    pub(super) fn exchange(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        kind: RefreshPolicy,
    ) -> Result<IssuedTokens, &'static str> {
        let used = |grant: &&mut Grant| matches!(&grant.code, AuthorizationCode::Used(used) if used == code);
        if let Some(grant) = self.grants.iter_mut().find(used) {
            grant.revoke_tokens();
            self.reuse_count += 1;
            return Err("invalid_grant");
        }
        let fresh = |grant: &Grant| matches!(&grant.code, AuthorizationCode::Unused(fresh) if fresh == code);
        let at = self.grants.iter().position(fresh).ok_or("invalid_grant")?;
        let challenge = verifier.map(pkce_challenge);
        // A verifier where there was no challenge is wrong too: somebody took the challenge out on the way.
        if self.grants[at].redirect_uri != redirect_uri || self.grants[at].challenge != challenge {
            return Err("invalid_grant");
        }
        self.grants[at].code = AuthorizationCode::Used(code.to_owned());
        let refresh = (kind != RefreshPolicy::None).then(|| self.issue_secret("refresh"));
        self.grants[at].refresh_tokens.extend(refresh.clone());
        Ok(self.issue_tokens(at, refresh))
    }

    /// Tokens for a refresh token.
    pub(super) fn refresh(&mut self, token: &str, kind: RefreshPolicy) -> Result<IssuedTokens, &'static str> {
        if let Some(grant) =
            self.grants.iter_mut().find(|grant| contains_token(&grant.used_refresh_tokens, token))
        {
            grant.revoke_tokens();
            self.reuse_count += 1;
            return Err("invalid_grant");
        }
        let at = self
            .grants
            .iter()
            .position(|grant| contains_token(&grant.refresh_tokens, token))
            .ok_or("invalid_grant")?;
        let next = match kind {
            RefreshPolicy::SingleUse => {
                self.grants[at].refresh_tokens.retain(|known| known != token);
                self.grants[at].used_refresh_tokens.push(token.to_owned());
                Some(self.issue_secret("refresh"))
            }
            RefreshPolicy::Rotates => Some(self.issue_secret("refresh")),
            // Its answer may leave it out (RFC 6749, section 6).
            RefreshPolicy::Keeps | RefreshPolicy::None => None,
        };
        self.grants[at].refresh_tokens.extend(next.clone());
        Ok(self.issue_tokens(at, next))
    }

    /// The grant whose access token this is, while it is good.
    pub(super) fn find_by_access_token(&self, access: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| contains_token(&grant.access_tokens, access))
    }

    /// Ends the grant of an access or refresh token that is good.
    pub(super) fn revoke(&mut self, token: &str) -> bool {
        let of = |grant: &&mut Grant| {
            contains_token(&grant.access_tokens, token) || contains_token(&grant.refresh_tokens, token)
        };
        self.grants.iter_mut().find(of).map(Grant::revoke_tokens).is_some()
    }

    /// As their time being up would: refresh tokens stay good.
    pub(super) fn expire_access_tokens(&mut self) {
        self.grants.iter_mut().for_each(|grant| grant.access_tokens.clear());
    }

    /// As a user would who takes back all consent at the provider's.
    pub(super) fn revoke_all(&mut self) {
        self.grants.iter_mut().for_each(Grant::revoke_tokens);
    }

    pub(super) fn valid_access_tokens(&self) -> Vec<String> {
        self.grants.iter().flat_map(|grant| grant.access_tokens.clone()).collect()
    }

    pub(super) fn valid_refresh_tokens(&self) -> Vec<String> {
        self.grants.iter().flat_map(|grant| grant.refresh_tokens.clone()).collect()
    }

    pub(super) fn issued(&self) -> &[String] {
        &self.issued
    }

    pub(super) fn reuse_count(&self) -> usize {
        self.reuse_count
    }

    fn issue_tokens(&mut self, at: usize, refresh: Option<String>) -> IssuedTokens {
        let access = self.issue_secret("access");
        let grant = &mut self.grants[at];
        grant.access_tokens.push(access.clone());
        IssuedTokens { access, refresh, scope: grant.scope.clone(), user: grant.user.clone() }
    }

    fn issue_secret(&mut self, kind: &str) -> String {
        let text = format!("{kind}-{}", Uuid::new_v4().simple());
        self.issued.push(text.clone());
        text
    }
}

impl Grant {
    fn revoke_tokens(&mut self) {
        self.access_tokens.clear();
        self.refresh_tokens.clear();
    }
}

fn contains_token(tokens: &[String], token: &str) -> bool {
    tokens.iter().any(|known| known == token)
}

/// The S256 challenge of a verifier (RFC 7636, section 4.2).
pub(super) fn pkce_challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}
