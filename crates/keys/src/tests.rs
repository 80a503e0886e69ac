//! Published test vectors.

mod wycheproof;
