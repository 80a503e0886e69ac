//! How an account ends, for whoever holds the receipt token; and that no view has anything of it.

use aggregates::{AccountErasure, ErasureCompletion};
use events::EraseUserResponse;
use keys::{ErasureId, UserRef};
use notary_client::{FetchProofError, fetch_inclusion_proof};
use runtime::run_blocking;
use schemas::{ErasureDocument, ErasureReceipt, Sequence};
use tlog::{Hash, TlogProof};

use super::{QueryError, QueryService, position_or_zero};
use crate::projection::{FoldError, remove_user_entries};
use crate::view::ViewChanges;

impl QueryService {
    /// An erasure with its position; `None` where this user asked for no such one.
    pub(crate) async fn erasure(
        &self,
        user: UserRef,
        id: ErasureId,
    ) -> Result<Option<ErasureDocument>, QueryError> {
        let view = self.view()?;
        let (account, position) = run_blocking(move || {
            let position = view.position();
            view.account(&user).map(|account| (account, position))
        })
        .await?;
        let Some(account) = account.filter(|account| account.has_erasure_id(id)) else { return Ok(None) };
        let receipt = match &account.erased {
            Some(erased) => self.erasure_receipt(user, &account, erased).await?,
            None => None,
        };
        Ok(Some(ErasureDocument {
            erasure_id: id.to_string(),
            status: account.status,
            requested_at: account.requested_at,
            due_at: account.due_at,
            steps: account.steps,
            receipt,
            position: position_or_zero(position),
        }))
    }

    /// `None` until a checkpoint covers the account's last event.
    async fn erasure_receipt(
        &self,
        user: UserRef,
        account: &AccountErasure,
        erased: &ErasureCompletion,
    ) -> Result<Option<ErasureReceipt>, QueryError> {
        let _turn = self.log_query_permits.acquire().await;
        let Some(recorded) = self.log.get(erased.sequence).await? else { return Ok(None) };
        let (sequence, leaf) = (erased.sequence.get(), Hash::from_leaf(recorded.bytes()));
        let proved = match fetch_inclusion_proof(self.log.broker(), &self.verifier, sequence, leaf).await {
            Ok(proved) => proved,
            Err(FetchProofError::NotYet) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let proof = TlogProof {
            index: sequence - 1,
            extra: Some(recorded.bytes().to_vec()),
            hashes: proved.hashes,
            checkpoint: proved.checkpoint,
        };
        Ok(Some(ErasureReceipt {
            user_ref: user.to_string(),
            erasure_id: account.erasure_id.to_string(),
            requested_at: account.requested_at,
            erased_at: erased.at,
            destroyed: erased.counts.clone(),
            event_id: erased.event_id,
            sequence: erased.sequence,
            proof: proof.to_text(),
        }))
    }

    /// That no view has anything of an account whose end begins at `sequence`: the serving one has folded that, and what is
    /// kept is cleared here. A view that is built now folds it too before it can serve.
    pub(crate) async fn erase_from_views(&self, user: UserRef, sequence: Sequence) -> EraseUserResponse {
        let is_folded =
            self.view().is_ok_and(|view| view.position() >= Some(sequence) && view.is_account_closed(&user));
        let (Some(views), true) = (self.serving_view.views(), is_folded) else {
            return EraseUserResponse::Unavailable;
        };
        let Ok(state) = self.log.open().await else { return EraseUserResponse::Unavailable };
        // Nobody switches meanwhile.
        let _turn = self.serving_view.write_lock.lock().await;
        let cleared = run_blocking(move || {
            let mut views_cleared = 1;
            let list = views.list();
            for number in list.kept.iter().chain(&list.built) {
                let is_built = list.built == Some(*number);
                let view = match views.open_view(*number, &state, jiff::Timestamp::UNIX_EPOCH) {
                    Ok(view) => view,
                    // Somebody is building it.
                    Err(_) if is_built => continue,
                    Err(error) => return Err(FoldError::from(error)),
                };
                let mut changes = ViewChanges::default();
                remove_user_entries(&view, user, &mut changes)?;
                view.apply(changes, None)?;
                view.flush()?;
                views_cleared += 1;
            }
            Ok(views_cleared)
        })
        .await;
        match cleared {
            Ok(views) => EraseUserResponse::Cleared { views },
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a view can't be cleared of an account yet"
                );
                EraseUserResponse::Unavailable
            }
        }
    }
}
