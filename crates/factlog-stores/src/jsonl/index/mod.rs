//! What makes events quick to find. All of it is derived: it is built again where it is missing or not believed.

mod blocks;
mod build;
mod filter;
mod recent;
mod run;
mod terms;

#[cfg(feature = "simulation")]
pub(super) use blocks::blocked;
pub(super) use build::Builder;
pub(super) use recent::Recent;
pub(super) use run::{Hits, Run, Window};
pub(super) use terms::{Asked, Kind, term};
