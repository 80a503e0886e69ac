//! Damaged, truncated, shuffled and forged copies are refused.

mod backup_corruption;
mod export_corruption;
mod fixtures;
