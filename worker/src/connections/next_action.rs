//! What is to be done with a connection, and when. Pure: no clock, no I/O.

use jiff::{SignedDuration, Timestamp};

use crate::connections::record::{ConnectionRecord, Tokens};

/// A token is refreshed this long before it ends, or a tenth of its life where that is less.
const REFRESH_AHEAD_MAX: SignedDuration = SignedDuration::from_mins(10);
const REFRESH_AHEAD_DIVISOR: i32 = 10;

/// No token is refreshed sooner than this after it came.
const REFRESH_DELAY_MIN: SignedDuration = SignedDuration::from_secs(1);

/// A deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionAction {
    /// The log is to be told of something.
    AppendEvent,
    /// The tokens are to be revoked and destroyed.
    RevokeTokens,
    /// A code is to be exchanged.
    ExchangeCode,
    /// The access token is to be refreshed.
    RefreshTokens,
    /// The access token has ended, and nothing can be done but ask the user.
    RequireReauth,
}

impl ConnectionRecord {
    /// The next deed, and from when on.
    pub(crate) fn next_action(&self) -> Option<(ConnectionAction, Timestamp)> {
        if self.pending_event.is_some() {
            return Some((ConnectionAction::AppendEvent, Timestamp::MIN));
        }
        if let Some(revocation) = &self.revocation {
            return Some((ConnectionAction::RevokeTokens, revocation.attempt.not_before));
        }
        if let Some(exchange) = &self.exchange {
            return Some((ConnectionAction::ExchangeCode, exchange.attempt.not_before));
        }
        if self.status != schemas::ConnectionStatus::Active {
            return None;
        }
        // A log that says that there are tokens, and none: they were not in the backup.
        let Some(tokens) = &self.tokens else {
            return Some((ConnectionAction::RequireReauth, Timestamp::MIN));
        };
        let access_until = tokens.access_until?;
        if tokens.refresh.is_none() {
            return Some((ConnectionAction::RequireReauth, access_until));
        }
        let ahead = refresh_at(tokens, access_until);
        Some((
            ConnectionAction::RefreshTokens,
            self.refresh.as_ref().map_or(ahead, |attempt| attempt.not_before.max(ahead)),
        ))
    }

    /// When something is due; a time long past reads as the epoch.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        self.next_action().map(|(_, due)| due.max(Timestamp::UNIX_EPOCH))
    }
}

fn refresh_at(tokens: &Tokens, access_until: Timestamp) -> Timestamp {
    let life = access_until.duration_since(tokens.obtained_at);
    let ahead = (life / REFRESH_AHEAD_DIVISOR).clamp(SignedDuration::ZERO, REFRESH_AHEAD_MAX);
    let at = access_until.saturating_sub(ahead).unwrap_or(access_until);
    // A provider whose tokens end at once is not asked for the next without a pause.
    at.max(tokens.obtained_at.saturating_add(REFRESH_DELAY_MIN).unwrap_or(at))
}

/// The pause before the next attempt: 1 s, doubled up to an hour.
pub(crate) fn backoff_delay(failures: u32) -> SignedDuration {
    SignedDuration::from_secs(1 << failures.min(12)).min(SignedDuration::from_hours(1))
}
