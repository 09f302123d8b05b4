//! Worktrees: which branch each has, and which of them do not go together.

use std::collections::BTreeMap;

use factlog::{Event, Filter, Invalid, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Entities, filter_of, later, set};
use crate::vocabulary::Payload;

/// A worktree, as far as the log tells of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Worktree {
    /// Its folder.
    pub path: String,
    /// The branch it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The branches it had before.
    pub previous_branches: Vec<String>,
    /// The task it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// How often it was given to another branch.
    pub recycled: u64,
    /// Conflicts with others that are open.
    pub conflicts: Vec<Conflict>,
    /// When it was made; none as long as it was not announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// Changes that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The folders of all worktrees in it.
    pub worktrees: Vec<String>,
    /// The files.
    pub conflicting_files: Vec<String>,
    /// The sessions that work there.
    pub sessions: Vec<String>,
    /// When it was seen.
    pub detected_at: Timestamp,
}

/// All worktrees.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Worktrees {
    worktrees: BTreeMap<String, Worktree>,
}

impl Projection for Worktrees {
    const NAME: &'static str = "worktrees";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(&["worktree"], &["hook:worktree-remove"])
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        if let Some(payload) = Payload::of(event) {
            self.take(event, payload);
        } else if event.event_type == "hook:worktree-remove"
            && let Some(path) =
                crate::record::Fields::of(event.data.as_str(), &["worktree_path"]).text("worktree_path")
        {
            self.remove(event, &path);
        }
        Ok(())
    }
}

impl Worktrees {
    fn worktree(&mut self, event: &Event, path: &str) -> &mut Worktree {
        let worktree = self.worktrees.entry(path.to_owned()).or_default();
        if worktree.path.is_empty() {
            path.clone_into(&mut worktree.path);
        }
        later(&mut worktree.updated_at, event.time());
        worktree
    }

    fn take(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::WorktreeCreated(created) => {
                let worktree = self.worktree(event, &created.path);
                worktree.created_at = Some(event.time());
                if worktree.removed_at.is_some_and(|removed| removed <= event.time()) {
                    worktree.removed_at = None;
                }
                set(&mut worktree.branch, created.branch);
                set(&mut worktree.task_id, created.task_id);
            }
            Payload::WorktreeRecycled(recycled) => {
                let worktree = self.worktree(event, &recycled.path);
                worktree.recycled += 1;
                worktree.previous_branches.extend(recycled.old_branch.or(worktree.branch.take()));
                worktree.branch = recycled.new_branch;
                worktree.task_id = recycled.task_id;
                // What it had in it is gone, and with it what did not go together.
                self.resolve(|conflict| conflict.worktrees.contains(&recycled.path));
            }
            Payload::WorktreeRemoved(removed) => self.remove(event, &removed.path),
            Payload::WorktreeConflictDetected(detected) => {
                let conflict = Conflict {
                    worktrees: detected.worktrees,
                    conflicting_files: detected.conflicting_files.unwrap_or_default(),
                    sessions: detected.sessions.unwrap_or_default(),
                    detected_at: event.time(),
                };
                for path in &conflict.worktrees {
                    let worktree = self.worktree(event, path);
                    let is_known = |known: &Conflict| {
                        known.worktrees == conflict.worktrees
                            && known.conflicting_files == conflict.conflicting_files
                    };
                    if !worktree.conflicts.iter().any(is_known) {
                        worktree.conflicts.push(conflict.clone());
                    }
                }
            }
            Payload::WorktreeConflictResolved(resolved) => {
                let files = resolved.conflicting_files.unwrap_or_default();
                self.resolve(|conflict| {
                    resolved.worktrees.iter().all(|path| conflict.worktrees.contains(path))
                        && (files.is_empty()
                            || files.iter().all(|file| conflict.conflicting_files.contains(file)))
                });
            }
            _ => {}
        }
    }

    fn remove(&mut self, event: &Event, path: &str) {
        self.worktree(event, path).removed_at = Some(event.time());
        self.resolve(|conflict| conflict.worktrees.iter().any(|known| known == path));
    }

    fn resolve(&mut self, is_over: impl Fn(&Conflict) -> bool) {
        for worktree in self.worktrees.values_mut() {
            worktree.conflicts.retain(|conflict| !is_over(conflict));
        }
    }

    /// The conflicts that are open, each once.
    pub fn open_conflicts(&self) -> Vec<&Conflict> {
        let mut open: Vec<&Conflict> = Vec::new();
        for conflict in self.worktrees.values().flat_map(|worktree| &worktree.conflicts) {
            if !open.contains(&conflict) {
                open.push(conflict);
            }
        }
        open
    }
}

impl Entities for Worktrees {
    type Entity = Worktree;
    const NOUN: &'static str = "worktree";

    fn entities(&self) -> &BTreeMap<String, Worktree> {
        &self.worktrees
    }
}
