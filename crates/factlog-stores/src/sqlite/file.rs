//! The file: made whole or not at all, known before it is touched, and opened with the right settings.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use factlog::{Error, ErrorKind, Result, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::told;
use super::{Indexes, SqliteOptions, Sync};
use crate::{Open, system};

/// `FLOG`: marks the file as ours.
const APPLICATION_ID: i32 = 0x464C_4F47;
/// The newest format this code knows.
const FORMAT_MAX: i32 = Indexes::Lagging.format();
/// A page of the file.
const PAGE_BYTES: u64 = 4_096;
/// The first waits for a lock are this short, about a tenth of a second long; longer ones follow. Who has waited longest
/// must not ask less often than newcomers: with fewer short waits, one of eight hooks at once waited twice as long.
const LOCK_POLL_FIRST_US: u64 = 60;
const LOCK_POLL_FIRST_TRIES: i32 = 1_000;
const LOCK_POLL_MS: u64 = 1;
/// Bytes of the file that readers may map into memory.
const MMAP_BYTES: u64 = 1 << 34;
/// The write-ahead log is cut back to this size when it restarts.
const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 96;
/// The tables that every log has, and those of the one index or the other.
const TABLES: &str = include_str!("schema.sql");
pub(super) const REAL_INDEXES: &str = include_str!("schema_real.sql");
pub(super) const LAGGING_INDEXES: &str = include_str!("schema_lagging.sql");
/// Pages that the writer keeps in memory, in KiB.
const WRITER_CACHE_KIB: u32 = 65_536;

/// Makes sure that there is a log to open: the file, whole and ours.
pub(super) fn prepare(options: &SqliteOptions, open: Open) -> Result<()> {
    let path = options.path.as_path();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(Error::invalid(format!("{} is a folder, not a log", path.display()))
                .with_hint("name a file, for example sqlite:factlog.db"))
        }
        Ok(found) if found.len() == 0 => Err(Error::corrupt(
            path.display().to_string(),
            "the file is empty: it is no log, and a log that was here is lost",
        )
        .with_hint("restore a backup, or delete the empty file to begin anew")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match open {
            Open::Existing | Open::Inspect => {
                Err(Error::not_found(format!("there is no log at {}", path.display()))
                    .with_hint("append or import something first, or name another log with --store"))
            }
            Open::Create => create(path, options.indexes.unwrap_or_default()),
        },
        Err(error) => Err(Error::denied(format!("{}: {error}", path.display())).with_cause(error)),
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Builds the log under another name and links it into place: whoever comes second finds the first one's.
fn create(path: &Path, indexes: Indexes) -> Result<()> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(Error::not_found(format!("the folder {} does not exist", folder.display()))
            .with_hint("make the folder first, or name another place with --store"));
    }
    let wal = beside(path, "-wal");
    if fs::metadata(&wal).is_ok_and(|found| found.len() > 0) {
        // Another process may have made the log a moment ago, and written into it since: the log comes first.
        if path.exists() {
            return Ok(());
        }
        // SQLite would play the lost log's last events into the new one.
        return Err(Error::corrupt(
            path.display().to_string(),
            format!("the log is gone, and {} with its last events is still there", wal.display()),
        )
        .with_hint("put the log back, or delete the files FILE-wal and FILE-shm too to begin anew"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let scratch = folder.join(format!(".{name}.{}.new", factlog::EventId::generate()));
    let built = build(&scratch, indexes).and_then(|()| link(&scratch, path));
    for left in [scratch.clone(), beside(&scratch, "-wal"), beside(&scratch, "-shm")] {
        // What was never made cannot be removed; what cannot be removed does no harm.
        let _ = fs::remove_file(left);
    }
    built
}

fn build(scratch: &Path, indexes: Indexes) -> Result<()> {
    let failed = |error: io::Error| {
        let said = format!("no log can be made in {}: {error}", folder_of(scratch).display());
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Error::denied(said),
            _ => Error::unavailable(said),
        }
        .with_hint("name another place with --store sqlite:PATH")
        .with_cause(error)
    };
    drop(system::create_private(scratch).map_err(failed)?);
    let build = || -> rusqlite::Result<()> {
        let connection = Connection::open_with_flags(scratch, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.execute_batch("PRAGMA page_size=4096; PRAGMA synchronous=FULL;")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", indexes.format())?;
        connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.execute_batch(TABLES)?;
        connection.execute_batch(match indexes {
            Indexes::Real => REAL_INDEXES,
            Indexes::Lagging => LAGGING_INDEXES,
        })?;
        connection.execute(
            "INSERT INTO meta VALUES ('log_id', ?1), ('created_at', ?2), ('removed_events', 0)",
            (factlog::EventId::generate().to_string(), Timestamp::now().as_micros()),
        )?;
        connection.execute_batch("COMMIT")?;
        // Closing the only connection folds the write-ahead log in: one file.
        connection.close().map_err(|(_, error)| error)
    };
    build().map_err(|error| told(scratch, error))
}

fn link(scratch: &Path, path: &Path) -> Result<()> {
    let linked = fs::hard_link(scratch, path).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        // Some file systems have no links; there a rename is the nearest.
        _ if !path.exists() => fs::rename(scratch, path),
        _ => Err(error),
    });
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.and_then(|()| system::sync_folder(folder_of(path))).map_err(|error| {
            Error::unavailable(format!("{} cannot be made: {error}", path.display())).with_cause(error)
        }),
    }
}

/// The name of a file that SQLite keeps beside the log.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Refuses what is not ours or newer than this code, before any setting is written.
fn inspect(path: &Path, connection: &Connection) -> Result<Indexes> {
    let number = |pragma: &str| -> Result<i32> {
        connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| told(path, error))
    };
    let place = path.display().to_string();
    let application_id = number("application_id")?;
    let bytes = fs::metadata(path).map_or(0, |found| found.len());
    if bytes < PAGE_BYTES {
        return Err(Error::corrupt(
            place,
            format!("{bytes} bytes are too few for a log: it is cut short, or is none"),
        )
        .with_hint("restore a backup, or name another file with --store sqlite:PATH"));
    }
    if application_id != APPLICATION_ID {
        return Err(Error::corrupt(place, "this SQLite file is no log: another program made it")
            .with_hint("name another file with --store sqlite:PATH"));
    }
    let format = number("user_version")?;
    if format > FORMAT_MAX {
        return Err(Error::invalid(format!(
            "{place} has format {format}, and this factlog knows formats up to {FORMAT_MAX}"
        ))
        .with_hint("use the newer factlog that wrote it"));
    }
    let Some(indexes) = Indexes::of_format(format) else {
        return Err(Error::corrupt(place, format!("the file has format {format}, which never was")));
    };
    // Without a write-ahead log the file is whole pages; SQLite itself passes over the loss of a part of the last one.
    let wal_bytes = fs::metadata(beside(path, "-wal")).map_or(0, |found| found.len());
    if wal_bytes == 0 && !bytes.is_multiple_of(PAGE_BYTES) {
        return Err(Error::corrupt(place, "the file is cut short in the middle of a page")
            .with_hint("keep the file as it is and restore a backup"));
    }
    Ok(indexes)
}

fn connect(options: &SqliteOptions, flags: OpenFlags, is_alone: bool) -> Result<(Connection, Indexes)> {
    let (path, lock_wait) = (options.path.as_path(), options.lock_wait);
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let told = |error| told(path, error);
    let mut connection = Connection::open_with_flags(path, flags).map_err(told)?;
    // Statements are planned once, not again whenever another LIMIT is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(told)?;
    if is_alone {
        // Before anything is read: later, others would be let in.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(told)?;
    }
    let mut began = Instant::now();
    connection
        .busy_handler(Some(move |tries: i32| {
            if tries == 0 {
                began = Instant::now();
            }
            if began.elapsed() > lock_wait {
                return false;
            }
            let pause = if tries < LOCK_POLL_FIRST_TRIES {
                Duration::from_micros(LOCK_POLL_FIRST_US)
            } else {
                Duration::from_millis(LOCK_POLL_MS)
            };
            std::thread::sleep(pause);
            true
        }))
        .map_err(told)?;
    let indexes = inspect(path, &connection)?;
    Ok((connection, indexes))
}

/// A connection that writes, and how the log's events are found, which is as the options say where they say it.
pub(super) fn connect_store(options: &SqliteOptions) -> Result<(Connection, Indexes)> {
    let (connection, indexes) = open_writer(options)?;
    match options.indexes {
        Some(wanted) if wanted != indexes => Err(Error::invalid(format!(
            "{} has {} indexes, and {} ones were asked for",
            options.path.display(),
            indexes.name(),
            wanted.name()
        ))
        .with_hint("leave ?index= away to open it as it is; `factlog migrate` changes it")),
        _ => Ok((connection, indexes)),
    }
}

/// A connection that writes; one that finds the file read-only reads all the same.
pub(super) fn connect_writer(options: &SqliteOptions) -> Result<Connection> {
    open_writer(options).map(|(connection, _)| connection)
}

/// The same, and how the log's events are found.
pub(super) fn open_writer(options: &SqliteOptions) -> Result<(Connection, Indexes)> {
    writer(options, false)
}

/// A connection beside which there is no other, of no process.
pub(super) fn connect_alone(options: &SqliteOptions) -> Result<(Connection, Indexes)> {
    let alone = writer(options, true).and_then(|alone| {
        // Making an index sorts all its keys, which may be more than fit into memory.
        alone.0.execute_batch("PRAGMA temp_store=FILE").map_err(|error| told(&options.path, error))?;
        Ok(alone)
    });
    alone.map_err(|error| match error.kind() {
        ErrorKind::Unavailable => {
            Error::unavailable(format!("{}: another process has the log open", options.path.display()))
                .with_hint("stop whoever uses the log, a server or an agent, and try again")
        }
        _ => error,
    })
}

fn writer(options: &SqliteOptions, is_alone: bool) -> Result<(Connection, Indexes)> {
    let (connection, indexes) = connect(options, OpenFlags::SQLITE_OPEN_READ_WRITE, is_alone)?;
    let level = match options.sync {
        Sync::Full => "FULL",
        Sync::Normal => "NORMAL",
    };
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous={level}; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit={WAL_BYTES_MAX};
             PRAGMA cache_size=-{WRITER_CACHE_KIB}; PRAGMA foreign_keys=OFF; PRAGMA temp_store=MEMORY;"
        ))
        .map_err(|error| told(&options.path, error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok((connection, indexes))
}

/// A connection that only reads.
pub(super) fn connect_reader(options: &SqliteOptions) -> Result<Connection> {
    let (connection, _) = connect(options, OpenFlags::SQLITE_OPEN_READ_WRITE, false)?;
    let told = |error| told(&options.path, error);
    connection
        .execute_batch(&format!(
            "PRAGMA query_only=ON; PRAGMA mmap_size={MMAP_BYTES}; PRAGMA temp_store=MEMORY;"
        ))
        .map_err(told)?;
    rusqlite::vtab::array::load_module(&connection).map_err(told)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Story: of eight processes that made a log, a late one had looked for the log before it was there and for its
    /// write-ahead log after, and said that the log was lost.
    #[test]
    fn a_log_that_another_process_has_made_meanwhile_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        create(&path, Indexes::Real).unwrap();
        let busy = connect_writer(&SqliteOptions::new(&path)).unwrap();
        busy.execute_batch("INSERT INTO types (name) VALUES ('task:created')").unwrap();
        assert!(fs::metadata(beside(&path, "-wal")).unwrap().len() > 0);
        create(&path, Indexes::Real).unwrap();
        drop(busy);
        fs::remove_file(&path).unwrap();
        fs::write(beside(&path, "-wal"), "the last events").unwrap();
        assert!(create(&path, Indexes::Real).unwrap_err().to_string().contains("the log is gone"));
    }
}
