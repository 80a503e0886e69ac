//! How an account ends, for whoever holds the receipt token; and that no view has anything of it.

use aggregates::{Account, Erased};
use events::EraseAnswer;
use keys::{ErasureId, UserRef};
use notary::ask::{self, AskError};
use schemas::{ErasureDocument, ErasureReceipt, Sequence};
use tlog::{Hash, Proof};

use super::{ReadFailure, Reader, number};
use crate::batch::{FoldFailure, take_away};
use crate::blocking::blocking;
use crate::view::Changes;

impl Reader {
    /// An erasure with its position; `None` where this user asked for no such one.
    pub(crate) async fn erasure(
        &self,
        user: UserRef,
        id: ErasureId,
    ) -> Result<Option<ErasureDocument>, ReadFailure> {
        let view = self.view()?;
        let (account, position) = blocking(move || {
            let position = view.position();
            view.account(&user).map(|account| (account, position))
        })
        .await?;
        let Some(account) = account.filter(|account| account.knows(id)) else { return Ok(None) };
        let receipt = match &account.erased {
            Some(erased) => self.receipt(user, &account, erased).await?,
            None => None,
        };
        Ok(Some(ErasureDocument {
            erasure_id: id.to_string(),
            status: account.status,
            requested_at: account.requested_at,
            due_at: account.due_at,
            steps: account.steps,
            receipt,
            position: number(position),
        }))
    }

    /// `None` until a checkpoint covers the account's last event.
    async fn receipt(
        &self,
        user: UserRef,
        account: &Account,
        erased: &Erased,
    ) -> Result<Option<ErasureReceipt>, ReadFailure> {
        let _turn = self.refolding.acquire().await;
        let Some(recorded) = self.log.get(erased.sequence).await? else { return Ok(None) };
        let (sequence, leaf) = (erased.sequence.get(), Hash::of_leaf(recorded.bytes()));
        let proved = match ask::inclusion(self.log.broker(), &self.verifier, sequence, leaf).await {
            Ok(proved) => proved,
            Err(AskError::NotYet) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let proof = Proof {
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
    pub(crate) async fn clear(&self, user: UserRef, sequence: Sequence) -> EraseAnswer {
        let is_folded =
            self.view().is_ok_and(|view| view.position() >= Some(sequence) && view.is_closed(&user));
        let (Some(views), true) = (self.shared.views(), is_folded) else { return EraseAnswer::Unavailable };
        let Ok(state) = self.log.open().await else { return EraseAnswer::Unavailable };
        // Nobody switches meanwhile.
        let _turn = self.shared.folding.lock().await;
        let cleared = blocking(move || {
            let mut views_cleared = 1;
            let list = views.list();
            for number in list.kept.iter().chain(&list.built) {
                let is_built = list.built == Some(*number);
                let view = match views.open_view(*number, &state, jiff::Timestamp::UNIX_EPOCH) {
                    Ok(view) => view,
                    // Somebody is building it.
                    Err(_) if is_built => continue,
                    Err(error) => return Err(FoldFailure::from(error)),
                };
                let mut changes = Changes::default();
                take_away(&view, user, &mut changes)?;
                view.apply(changes, None)?;
                view.flush()?;
                views_cleared += 1;
            }
            Ok(views_cleared)
        })
        .await;
        match cleared {
            Ok(views) => EraseAnswer::Cleared { views },
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a view can't be cleared of an account yet"
                );
                EraseAnswer::Unavailable
            }
        }
    }
}
