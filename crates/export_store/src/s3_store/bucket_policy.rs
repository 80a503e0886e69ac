//! What a bucket must be before anything is put into it: private, sealed by the server, without old versions, and emptied
//! after 3 days.
//!
//! `GetPublicAccessBlock`, `GetBucketAcl`, `GetBucketPolicyStatus`, `GetBucketEncryption`, `GetBucketVersioning`,
//! `GetBucketLifecycleConfiguration`.

use super::S3Store;
use super::s3_api::XmlDocument;

/// Days after which a rule of the bucket must delete an export, and abort what was not finished of one.
const EXPIRY_DAYS_MAX: u32 = 3;
/// What limits a lifecycle rule to some of the objects below its prefix.
const RULE_FILTERS: [&str; 3] = ["Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"];

/// Why a bucket is no place for exports.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// It does not answer, or not to us.
    #[error("the bucket can't be asked what it is ({0}): may these credentials read its settings?")]
    Unavailable(String),
    /// Others may read it.
    #[error("the bucket is not private: {0}; turn on all four settings of Block Public Access")]
    Public(&'static str),
    /// The server does not seal what is put there.
    #[error("the bucket has no default server-side encryption: turn on SSE-S3 or SSE-KMS")]
    Unencrypted,
    /// What is deleted stays.
    #[error(
        "the bucket keeps old versions, so that nothing in it is ever deleted: exports need one without versioning"
    )]
    Versioned,
    /// Nothing deletes what is old.
    #[error(
        "no enabled lifecycle rule of the bucket deletes everything below {0:?} after {EXPIRY_DAYS_MAX} days at most and aborts what was not finished by then"
    )]
    NoExpiry(String),
}

impl S3Store {
    /// Refuses a bucket that is no place for exports.
    pub(crate) async fn check_policy(&self) -> Result<(), BucketError> {
        match self.get_setting("publicAccessBlock").await? {
            Some(block) => {
                let flags =
                    ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
                if !flags.iter().all(|flag| block.has_text(flag, "true")) {
                    return Err(BucketError::Public("Block Public Access is not on"));
                }
            }
            // Of a server that does not know it, or a bucket that has none, the rest says.
            None => {
                if self
                    .get_setting("policyStatus")
                    .await?
                    .is_some_and(|status| status.has_text("IsPublic", "true"))
                {
                    return Err(BucketError::Public("its policy is public"));
                }
            }
        }
        if self.get_setting("acl").await?.is_some_and(|acl| grants_others(&acl)) {
            return Err(BucketError::Public("its access control list grants others something"));
        }
        let encryption = self.get_setting("encryption").await?.ok_or(BucketError::Unencrypted)?;
        if encryption.texts("SSEAlgorithm").next().is_none() {
            return Err(BucketError::Unencrypted);
        }
        if self
            .get_setting("versioning")
            .await?
            .is_some_and(|versioning| versioning.has_text("Status", "Enabled"))
        {
            return Err(BucketError::Versioned);
        }
        let lifecycle = self.get_setting("lifecycle").await?.unwrap_or_default();
        let is_emptied = lifecycle.elements("Rule").iter().any(|rule| expires_everything(rule, &self.prefix));
        if is_emptied { Ok(()) } else { Err(BucketError::NoExpiry(self.prefix.clone())) }
    }

    async fn get_setting(&self, what: &str) -> Result<Option<XmlDocument>, BucketError> {
        self.api.get(&[(what, "")]).await
    }
}

/// Whether anybody has a right who is not the bucket's owner. Block Public Access leaves those of single accounts.
fn grants_others(acl: &XmlDocument) -> bool {
    let owner = acl.texts("Owner/ID").next().unwrap_or_default();
    acl.texts("Grantee/URI").chain(acl.texts("Grantee/EmailAddress")).next().is_some()
        || acl.texts("Grantee/ID").any(|grantee| grantee != owner)
}

/// Whether this rule leaves nothing below the prefix for longer.
fn expires_everything(rule: &XmlDocument, prefix: &str) -> bool {
    let in_time = |name| {
        rule.texts(name)
            .next()
            .and_then(|days| days.parse().ok())
            .is_some_and(|days: u32| days <= EXPIRY_DAYS_MAX)
    };
    let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    rule.has_text("Status", "Enabled")
        && rule.texts("Prefix").all(|covered| folder.starts_with(covered))
        && RULE_FILTERS.iter().all(|limit| rule.texts(limit).next().is_none())
        && in_time("Expiration/Days")
        && in_time("AbortIncompleteMultipartUpload/DaysAfterInitiation")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(filter: &str, more: &str) -> String {
        format!(
            "<Rule><ID>r</ID>{filter}<Status>Enabled</Status><Expiration><Days>3</Days></Expiration>{more}</Rule>"
        )
    }

    #[test]
    fn a_rule_covers_everything_below_the_prefix_or_it_is_none() {
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
        let emptied = |rules: &str| {
            let configuration = format!(r#"<?xml version="1.0"?><C xmlns="x">{rules}</C>"#);
            let rules = XmlDocument::parse(&configuration).unwrap().elements("Rule");
            rules.iter().any(|rule| expires_everything(rule, "people/exports"))
        };
        for covering in [
            "<Filter/>",
            "<Prefix></Prefix>",
            "<Filter><Prefix>people</Prefix></Filter>",
            "<Filter><Prefix>people/exports</Prefix></Filter>",
            "<Filter><Prefix>people/exports/</Prefix></Filter>",
        ] {
            assert!(emptied(&rule(covering, abort)), "{covering}");
            assert!(emptied(&format!("{}{}", rule("<Prefix>logs</Prefix>", ""), rule(covering, abort))));
        }
        for limited in [
            "<Filter><Prefix>people/exports/a</Prefix></Filter>",
            "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>",
            "<Filter><And><Prefix>people/exports</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>",
            "<Filter><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan></Filter>",
            "<Filter><And><Prefix>people</Prefix><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>",
        ] {
            assert!(!emptied(&rule(limited, abort)), "{limited}");
        }
        assert!(!emptied(&rule("<Filter/>", "")), "what is unfinished stays");
        assert!(!emptied(&rule("<Filter/>", &abort.replace('1', "4"))), "for too long");
        assert!(!emptied(&rule("<Filter/>", abort).replace("<Days>3", "<Days>4")));
        assert!(!emptied(&rule("<Filter/>", abort).replace("Enabled", "Disabled")));
        // Of two rules each does half.
        assert!(!emptied(&format!("{}{}", rule("<Filter/>", ""), rule("<Prefix>logs</Prefix>", abort))));
    }

    #[test]
    fn a_grant_to_anybody_but_the_owner_is_one_too_many() {
        let acl = |grantee: &str| {
            let own = "<Grant><Grantee><ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>";
            let other = format!("<Grant><Grantee>{grantee}</Grantee><Permission>READ</Permission></Grant>");
            let grants = if grantee.is_empty() { own.to_owned() } else { format!("{own}{other}") };
            let acl =
                format!("<P><Owner><ID>me</ID></Owner><AccessControlList>{grants}</AccessControlList></P>");
            grants_others(&XmlDocument::parse(&acl).unwrap())
        };
        assert!(!acl(""));
        for other in [
            "<ID>you</ID>",
            "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>",
            "<URI>http://acs.amazonaws.com/groups/global/AuthenticatedUsers</URI>",
            "<EmailAddress>you@example.org</EmailAddress>",
        ] {
            assert!(acl(other), "{other}");
        }
    }

    #[test]
    fn an_answer_is_xml() {
        for wrong in ["", "no", "<A>", "<A></B>", r#"{"a":1}"#] {
            assert!(XmlDocument::parse(wrong).is_none(), "{wrong}");
        }
    }
}
