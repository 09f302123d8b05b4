//! What a process did to the disk, in order: records of shim.c, read.

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use super::Failure;

/// One change of the disk, or a note between two. Files are told apart by the number that the system gives them; paths
/// begin below the folder.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Create {
        file: u64,
        path: String,
    },
    Write {
        file: u64,
        offset: u64,
        bytes: Rc<[u8]>,
    },
    Resize {
        file: u64,
        size: u64,
    },
    Sync {
        file: u64,
    },
    SyncFolder {
        path: String,
    },
    Link {
        from: String,
        to: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    MakeFolder {
        path: String,
    },
    RemoveFolder {
        path: String,
    },
    /// It is written through memory from now on, which nobody sees.
    Map {
        file: u64,
    },
    /// What the process says about itself.
    Note(String),
}

impl Operation {
    fn of(kind: &str, file: u64, number: u64, bytes: &[u8]) -> Result<Self, Failure> {
        let text = || String::from_utf8(bytes.to_vec());
        let names = || -> Result<(String, String), Failure> {
            let text = text()?;
            let (from, to) = text.split_once('\0').ok_or("one name where there are two")?;
            Ok((from.to_owned(), to.to_owned()))
        };
        Ok(match kind {
            "C" => Self::Create { file, path: text()? },
            "W" => Self::Write { file, offset: number, bytes: bytes.into() },
            "T" => Self::Resize { file, size: number },
            "S" => Self::Sync { file },
            "D" => Self::SyncFolder { path: text()? },
            "L" => names().map(|(from, to)| Self::Link { from, to })?,
            "R" => names().map(|(from, to)| Self::Rename { from, to })?,
            "U" => Self::Unlink { path: text()? },
            "M" => Self::MakeFolder { path: text()? },
            "X" => Self::RemoveFolder { path: text()? },
            "P" => Self::Map { file },
            "N" => Self::Note(text()?),
            other => return Err(format!("{other:?} is no kind of record").into()),
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { file, offset, bytes } => {
                write!(f, "write {} bytes at {offset} of {file}", bytes.len())
            }
            Self::Note(note) => write!(f, "note {note:.100}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// All that one process did.
#[derive(Debug, Clone)]
pub(super) struct Trace(pub(super) Vec<Operation>);

impl Trace {
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, Failure> {
        let mut operations = Vec::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("a record without an end")?;
            let head = std::str::from_utf8(&bytes[..end])?;
            let words: Vec<&str> = head.split(' ').collect();
            let [kind, file, number, length] = words[..] else {
                return Err(format!("{head:?} is no head of a record").into());
            };
            let rest = &bytes[end + 1..];
            let (payload, rest) = rest.split_at_checked(length.parse()?).ok_or("a record cut short")?;
            operations.push(Operation::of(kind, file.parse()?, number.parse()?, payload)?);
            bytes = rest;
        }
        Ok(Self(operations))
    }

    /// How many operations there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where to cut: everywhere, or in so many places, of which half lie just before or after a sync, a name or a size.
    pub(super) fn cuts(&self, most: usize, random: &mut fastrand::Rng) -> Vec<usize> {
        let all = 0..=self.len();
        if self.len() < most {
            return all.collect();
        }
        let telling: Vec<usize> = all
            .clone()
            .filter(|at| self.0[at.saturating_sub(1)..self.len().min(at + 1)].iter().any(is_telling))
            .collect();
        let mut cuts: BTreeSet<usize> = random.choose_multiple(telling, most / 2).into_iter().collect();
        cuts.extend(random.choose_multiple(all, most - cuts.len()));
        cuts.into_iter().collect()
    }
}

fn is_telling(operation: &Operation) -> bool {
    !matches!(operation, Operation::Write { .. } | Operation::Map { .. } | Operation::Note(_))
}
