//! What is damaged, cut, shuffled or forged is never taken for whole.

mod backup;
mod export;
