//! What users have granted: codes, and the tokens that came of them.

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use uuid::Uuid;

use super::variant::Refresh;

/// A user's consent, from its code to its end.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) user: Value,
    pub(super) scope: String,
    redirect_uri: String,
    challenge: Option<String>,
    code: Code,
    /// The tokens that are good.
    access: Vec<String>,
    refresh: Vec<String>,
    /// Single-use refresh tokens that were used.
    spent: Vec<String>,
}

#[derive(Debug, Clone)]
enum Code {
    Fresh(String),
    Used(String),
    Expired,
}

/// What a token request gets.
#[derive(Debug)]
pub(super) struct Tokens {
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
    reuses: usize,
}

impl Grants {
    pub(super) fn consent(
        &mut self,
        user: Value,
        scope: &str,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> String {
        let code = self.issue("code");
        self.grants.push(Grant {
            user,
            scope: scope.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.map(str::to_owned),
            code: Code::Fresh(code.clone()),
            access: Vec::new(),
            refresh: Vec::new(),
            spent: Vec::new(),
        });
        code
    }

    /// The code that was used last.
    pub(super) fn used_code(&self) -> Option<&str> {
        self.grants.iter().rev().find_map(|grant| match &grant.code {
            Code::Used(code) => Some(code.as_str()),
            Code::Fresh(_) | Code::Expired => None,
        })
    }

    pub(super) fn expire_codes(&mut self) {
        for grant in &mut self.grants {
            if matches!(grant.code, Code::Fresh(_)) {
                grant.code = Code::Expired;
            }
        }
    }

    /// Tokens for a code, once. A code that comes twice was stolen by somebody: its tokens end (RFC 6749, section 4.1.2).
    pub(super) fn exchange(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        kind: Refresh,
    ) -> Result<Tokens, &'static str> {
        let used = |grant: &&mut Grant| matches!(&grant.code, Code::Used(used) if used == code);
        if let Some(grant) = self.grants.iter_mut().find(used) {
            grant.end();
            self.reuses += 1;
            return Err("invalid_grant");
        }
        let fresh = |grant: &Grant| matches!(&grant.code, Code::Fresh(fresh) if fresh == code);
        let at = self.grants.iter().position(fresh).ok_or("invalid_grant")?;
        let challenge = verifier.map(challenge_of);
        // A verifier where there was no challenge is wrong too: somebody took the challenge out on the way.
        if self.grants[at].redirect_uri != redirect_uri || self.grants[at].challenge != challenge {
            return Err("invalid_grant");
        }
        self.grants[at].code = Code::Used(code.to_owned());
        let refresh = (kind != Refresh::None).then(|| self.issue("refresh"));
        self.grants[at].refresh.extend(refresh.clone());
        Ok(self.tokens(at, refresh))
    }

    /// Tokens for a refresh token.
    pub(super) fn refresh(&mut self, token: &str, kind: Refresh) -> Result<Tokens, &'static str> {
        if let Some(grant) = self.grants.iter_mut().find(|grant| holds(&grant.spent, token)) {
            grant.end();
            self.reuses += 1;
            return Err("invalid_grant");
        }
        let at = self.grants.iter().position(|grant| holds(&grant.refresh, token)).ok_or("invalid_grant")?;
        let next = match kind {
            Refresh::SingleUse => {
                self.grants[at].refresh.retain(|known| known != token);
                self.grants[at].spent.push(token.to_owned());
                Some(self.issue("refresh"))
            }
            Refresh::Rotates => Some(self.issue("refresh")),
            // Its answer may leave it out (RFC 6749, section 6).
            Refresh::Keeps | Refresh::None => None,
        };
        self.grants[at].refresh.extend(next.clone());
        Ok(self.tokens(at, next))
    }

    /// The grant whose access token this is, while it is good.
    pub(super) fn opened_by(&self, access: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| holds(&grant.access, access))
    }

    /// Ends the grant of an access or refresh token that is good.
    pub(super) fn revoke(&mut self, token: &str) -> bool {
        let of = |grant: &&mut Grant| holds(&grant.access, token) || holds(&grant.refresh, token);
        self.grants.iter_mut().find(of).map(Grant::end).is_some()
    }

    /// As their time being up would: refresh tokens stay good.
    pub(super) fn end_access(&mut self) {
        self.grants.iter_mut().for_each(|grant| grant.access.clear());
    }

    /// As a user would who takes back all consent at the provider's.
    pub(super) fn end_all(&mut self) {
        self.grants.iter_mut().for_each(Grant::end);
    }

    pub(super) fn good_access(&self) -> Vec<String> {
        self.grants.iter().flat_map(|grant| grant.access.clone()).collect()
    }

    pub(super) fn good_refresh(&self) -> Vec<String> {
        self.grants.iter().flat_map(|grant| grant.refresh.clone()).collect()
    }

    pub(super) fn issued(&self) -> &[String] {
        &self.issued
    }

    pub(super) fn reuses(&self) -> usize {
        self.reuses
    }

    fn tokens(&mut self, at: usize, refresh: Option<String>) -> Tokens {
        let access = self.issue("access");
        let grant = &mut self.grants[at];
        grant.access.push(access.clone());
        Tokens { access, refresh, scope: grant.scope.clone(), user: grant.user.clone() }
    }

    fn issue(&mut self, kind: &str) -> String {
        let text = format!("{kind}-{}", Uuid::new_v4().simple());
        self.issued.push(text.clone());
        text
    }
}

impl Grant {
    fn end(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }
}

fn holds(tokens: &[String], token: &str) -> bool {
    tokens.iter().any(|known| known == token)
}

/// The S256 challenge of a verifier (RFC 7636, section 4.2).
pub(super) fn challenge_of(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}
