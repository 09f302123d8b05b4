//! What makes events quick to find. All of it is derived: it is built again where it is missing or not believed.

mod blocks;
mod filter;
mod recent;
mod run;
mod terms;

pub(super) use recent::Recent;
pub(super) use run::{Builder, Hits, Run, Window};
pub(super) use terms::{Asked, Kind, term};
