//! Talking: from saying to hearing, and from asking to the answer.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::disk::Disk;
use crate::measure::Line;
use crate::subjects::Kind;
use crate::talk::Load;

/// One run, in a folder of its own.
pub(super) fn run(kind: &Kind, disk: &Disk, load: Load, took: Duration) -> Result<Line> {
    let talk = kind.talk.context("it does not talk")?;
    let folder = disk.folder()?;
    let talked = talk(folder.path(), load, took)?;
    let line = Line { case: load.case, writers: Some(load.speakers), ..Line::default() };
    Ok(line.figures(talked.counted, took, talked.latencies))
}
