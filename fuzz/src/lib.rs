//! Fuzz targets: each takes any bytes, and panics where factlog breaks a promise.
//!
//! The targets are plain functions, so that an ordinary test gives them the inputs that are kept (`corpus/`,
//! `regressions/`); `targets/` makes programs of them for cargo-fuzz.
#![forbid(unsafe_code)]

mod disk;
mod importers;
mod index;
mod json;
mod line;
mod made;
mod pattern;
mod sections;
mod segment;
mod snapshot;
mod store;

pub use importers::importers;
pub use index::index;
pub use json::json;
pub use line::line;
pub use pattern::pattern;
pub use segment::segment;
pub use snapshot::snapshot;

/// A target.
pub type Target = fn(&[u8]);

/// All targets by their names.
pub const TARGETS: [(&str, Target); 7] = [
    ("line", line),
    ("segment", segment),
    ("index", index),
    ("snapshot", snapshot),
    ("importers", importers),
    ("json", json),
    ("pattern", pattern),
];
