//! What SQLite's errors mean to a caller.

use std::path::Path;

use factlog::Error;
use rusqlite::ErrorCode;

/// An error outside a commit, where nothing was changed.
pub(super) fn told(path: &Path, error: rusqlite::Error) -> Error {
    let place = path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::unavailable(format!("{place}: another process keeps the log locked"))
                .with_hint("try again; if it stays so, look for a process that hangs with the file open")
        }
        Some(ErrorCode::DiskFull) => {
            Error::unavailable(format!("{place}: the disk is full; nothing was changed"))
                .with_hint("make room and try again")
        }
        Some(ErrorCode::ReadOnly) => Error::denied(format!("{place}: the log cannot be written")).with_hint(
            "check the rights of the file and of its folder; to read a log in a folder where nothing can be written, \
             copy it elsewhere first",
        ),
        Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            Error::denied(format!("{place}: {error}"))
        }
        Some(ErrorCode::NotADatabase) => Error::corrupt(place, "this is not a log: not an SQLite file")
            .with_hint("name another file with --store sqlite:PATH"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation) => Error::corrupt(place, "the file is damaged or cut short")
            .with_hint(
                "keep the file as it is and restore a backup; `sqlite3 FILE .recover` saves what can be saved",
            ),
        Some(ErrorCode::CannotOpen) if path.exists() => {
            Error::denied(format!("{place}: the file, or one beside it, cannot be opened"))
                .with_hint("check the rights of the file and of its folder; to read a log in a folder where nothing can be \
                            written, copy it elsewhere first")
        }
        Some(ErrorCode::CannotOpen) => Error::unavailable(format!("{place}: the file cannot be opened"))
            .with_hint("check that the folder exists and that you may write in it"),
        Some(ErrorCode::SystemIoFailure) => {
            Error::corrupt(place, format!("the disk reports an error: {error}"))
        }
        _ => Error::stopped(format!("{place}: {error}")),
    }
    .with_cause(error)
}

/// Whether a failed commit has certainly changed nothing.
pub(super) fn changed_nothing(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::ConstraintViolation
        )
    )
}
