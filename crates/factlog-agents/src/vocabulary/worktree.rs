//! Worktrees: checkouts of a repository in which agents work side by side.

use super::payload::payloads;

payloads! {
    /// A worktree was made.
    WorktreeCreated = "worktree:created", of "worktree" by path;
    from C;
    needs { path: String }
    takes { branch: String, task_id: String }

    /// A worktree was given to another branch.
    WorktreeRecycled = "worktree:recycled", of "worktree" by path;
    from C;
    needs { path: String }
    takes { old_branch: String, new_branch: String, task_id: String }

    /// Worktrees have changes that do not go together.
    WorktreeConflictDetected = "worktree:conflict-detected", of "worktree" by worktrees;
    from C;
    needs { worktrees: Vec<String> }
    takes { conflicting_files("files"): Vec<String>, sessions: Vec<String> }

    /// Changes of worktrees go together again; no files named: all of them.
    WorktreeConflictResolved = "worktree:conflict-resolved", of "worktree" by worktrees;
    from;
    needs { worktrees: Vec<String> }
    takes { conflicting_files("files"): Vec<String>, reason: String }

    /// A worktree was taken away.
    WorktreeRemoved = "worktree:removed", of "worktree" by path;
    from;
    needs { path("worktreePath"): String }
    takes { reason: String }
}
