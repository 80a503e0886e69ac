//! Rebuilding: a new view beside the serving one, caught up, and switched in while reads go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runtime::run_blocking;
use schemas::Sequence;
use tokio_util::sync::CancellationToken;

use super::{JobError, JobRunner, RebuildReport};
use crate::build_progress::BuildProgress;
use crate::projection::ParkPolicy;
use crate::view::{View, ViewError};
use crate::view_builder::ViewBuilder;
use crate::view_registry::ViewRegistry;

/// From so near on, folding stops for the moment that the rest takes.
const SWITCH_LAG_EVENTS_MAX: u64 = 1_000;

/// How a view is rebuilt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RebuildOptions {
    pub(crate) dry_run: bool,
    pub(crate) fresh: bool,
    pub(crate) park_new: bool,
}

/// The events that an operator can know of: those that wait, and those that are left out.
pub(crate) fn known_parked_sequences(view: &View) -> BTreeSet<Sequence> {
    let parked = view.parked_events().into_iter().map(|poison| poison.sequence);
    parked.chain(view.discarded_events().into_iter().map(|discarded| discarded.sequence)).collect()
}

impl JobRunner {
    pub(super) async fn rebuild(
        &self,
        options: RebuildOptions,
        progress: Arc<BuildProgress>,
        cancel: CancellationToken,
    ) -> Result<(), JobError> {
        let views = self.views()?;
        let mut builder = self.builder(progress, cancel)?;
        if options.park_new {
            builder.projection.park_policy = ParkPolicy::All;
        }
        let state = self.log.open().await?;
        let (number, view) = {
            let (views, now) = (views.clone(), (self.clock)());
            run_blocking(move || {
                open_build_view(&views, options.fresh, |number| views.open_view(number, &state, now))
            })
            .await?
        };
        self.catch_up(&builder, &view).await?;
        if options.dry_run {
            let (differences, _) = self.diff_at_same_position(&builder, &self.serving()?, &view).await?;
            let mut differing = BTreeMap::new();
            for difference in differences {
                *differing.entry(difference.field_without_workout()).or_default() += 1;
            }
            self.note(|report| {
                report.rebuilt = Some(RebuildReport {
                    serving: views.list().serving,
                    built: Some(number),
                    switched: false,
                    differences: Some(differing),
                    ..report_for(&view)
                });
            });
            return Ok(());
        }
        self.switch(&builder, &view, move |views| views.switch(number)).await
    }

    pub(super) async fn roll_back(
        &self,
        progress: Arc<BuildProgress>,
        cancel: CancellationToken,
    ) -> Result<(), JobError> {
        let views = self.views()?;
        let builder = self.builder(progress, cancel)?;
        let Some(number) = views.list().kept.first().copied() else {
            return Err(JobError::Refused("no view is kept that could serve again".to_owned()));
        };
        let (state, now) = (self.log.open().await?, (self.clock)());
        let view = {
            let views = views.clone();
            Arc::new(run_blocking(move || views.open_view(number, &state, now)).await?)
        };
        self.catch_up(&builder, &view).await?;
        self.switch(&builder, &view, move |views| {
            views.roll_back()?.filter(|back| *back == number).ok_or_else(|| view_dropped(number))
        })
        .await
    }

    /// What waits in a view that was begun earlier, and not in the one that serves, was mended meanwhile.
    async fn repair_unparked_users(
        &self,
        builder: &ViewBuilder,
        view: &Arc<View>,
        serving: &Arc<View>,
    ) -> Result<(), JobError> {
        let Some(last) = view.position() else { return Ok(()) };
        let (folder, view, serving) = (builder.projection.clone(), view.clone(), serving.clone());
        run_blocking(move || {
            let left_out = view.discarded_events().into_iter().map(|discarded| discarded.sequence).collect();
            let waiting = view.parked_events().into_iter().map(|poison| poison.user);
            let mended: BTreeSet<_> =
                waiting.filter(|user| serving.parked_event_of(user).is_none()).collect();
            for user in mended {
                let repaired = folder.repair(&view, user, None, last, &left_out)?;
                view.apply(repaired.changes, None)?;
            }
            Ok(())
        })
        .await
    }

    fn views(&self) -> Result<Arc<ViewRegistry>, JobError> {
        self.serving_view.views().ok_or_else(|| JobError::Refused("the view is not open yet".to_owned()))
    }

    /// Folds until the view is as near to the serving one as it gets without stopping that.
    async fn catch_up(&self, builder: &ViewBuilder, view: &Arc<View>) -> Result<(), JobError> {
        loop {
            let Some(target) = self.serving()?.position() else { return Ok(()) };
            builder.advance_to(view, target).await?;
            let end = self.serving()?.position().map_or(0, Sequence::get);
            if end.saturating_sub(target.get()) <= SWITCH_LAG_EVENTS_MAX {
                return Ok(());
            }
        }
    }

    /// While nobody folds: the rest, then the list on disk, then the view that is read. A process that dies before the
    /// list is written goes on with the old view, one that dies after it with the new one.
    async fn switch(
        &self,
        builder: &ViewBuilder,
        view: &Arc<View>,
        change: impl FnOnce(&ViewRegistry) -> Result<u32, ViewError> + Send + 'static,
    ) -> Result<(), JobError> {
        let views = self.views()?;
        let _turn = self.serving_view.write_lock.lock().await;
        if let Some(position) = self.serving()?.position() {
            builder.advance_to(view, position).await?;
        }
        if builder.cancel.is_cancelled() {
            return Err(crate::view_builder::BuildError::Cancelled.into());
        }
        let serving = self.serving()?;
        if view.head().tree != serving.head().tree {
            return Err(JobError::Refused(
                "the view was folded from another past of the log than the one that serves; nothing was switched. \
                 `syncwell view rebuild --fresh` folds one anew"
                    .to_owned(),
            ));
        }
        self.repair_unparked_users(builder, view, &serving).await?;
        let flushed = view.clone();
        let number = run_blocking(move || {
            flushed.flush()?;
            // What is kept is to be whole too.
            serving.flush()?;
            change(&views)
        })
        .await?;
        self.serving_view.replace_view(view.clone());
        tracing::info!(view = number, "another view serves now");
        self.note(|report| {
            report.rebuilt = Some(RebuildReport { serving: number, switched: true, ..report_for(view) });
        });
        Ok(())
    }
}

fn report_for(view: &View) -> RebuildReport {
    let head = view.head();
    RebuildReport {
        serving: 0,
        built: None,
        position: head.tree.size,
        digest: head.digest.to_string(),
        switched: false,
        differences: None,
    }
}

/// The view was dropped while it was caught up.
fn view_dropped(number: u32) -> ViewError {
    ViewError::List(number.to_string().into(), std::io::Error::other("that view was dropped meanwhile"))
}

/// Opens the view that is to be built: what an earlier rebuild left, unless that does not fit the log or the rules.
pub(crate) fn open_build_view(
    views: &ViewRegistry,
    fresh: bool,
    open: impl Fn(u32) -> Result<View, ViewError>,
) -> Result<(u32, Arc<View>), ViewError> {
    let number = views.start_build(fresh)?;
    match open(number) {
        Ok(view) => Ok((number, Arc::new(view))),
        Err(
            ViewError::AheadOfLog { .. } | ViewError::LogMismatch { .. } | ViewError::VersionMismatch { .. },
        ) => {
            let number = views.start_build(true)?;
            Ok((number, Arc::new(open(number)?)))
        }
        Err(
            error @ (ViewError::Store(..)
            | ViewError::SetAside(..)
            | ViewError::List(..)
            | ViewError::ParkedEventsUnreadable(_)),
        ) => Err(error),
    }
}
