//! Follows files as they grow: what agents write into their transcripts is in the log a moment later.
//!
//! The system says which files have changed; now and then all are looked at, for what it does not say (a network drive,
//! a laptop that slept). A file goes on where its mark is; one that was replaced, or is shorter than it was, is read
//! again from its start, and what the log has already is known by its id.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use factlog::{Error, ErrorKind, EventLog, Result};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::import::{Format, Intake};
use crate::importer::Importer;
use crate::mark::Mark;
use crate::outcome::{Imported, Progress};
use crate::redact::Redactor;
use crate::source::{Source, Sources, has_ending};

/// All files are looked at this often, whatever the system says.
const LOOK_AGAIN_MS: u64 = 1_000;
/// Changes that come within this time are taken together.
const GATHER_MS: u64 = 10;
/// After a failure of the log, the next try.
const TRY_AGAIN_MS: u64 = 1_000;
/// Files whose readers are kept; beyond, they begin again at their marks.
const LIVE_MAX: usize = 256;
/// Troubles that are told, each once.
const TROUBLES_MAX: usize = 1_000;
/// Bytes before the mark that must be as they were for a file to be read on.
const TAIL_BYTES: u64 = 1_024;

/// What is followed, and how.
pub(crate) struct Watch<'a, F> {
    pub(crate) log: &'a EventLog,
    pub(crate) roots: &'a [PathBuf],
    pub(crate) endings: &'static [&'static str],
    pub(crate) redactor: Option<&'a Redactor>,
    /// Makes the reader of one file.
    pub(crate) format: F,
}

/// Who is told what a look at the changed files has brought, and of trouble that may pass.
pub type OnWatched<'a> = &'a mut (dyn FnMut(std::result::Result<&Imported, &Error>) + Send);

/// A file that is being followed.
struct Live<F> {
    format: F,
    mark: Mark,
    identity: Identity,
    tail: Vec<u8>,
}

/// What tells a file from another one at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Identity(u64, u64);

/// When a file was last looked at, it was like this.
type Look = (u64, Option<SystemTime>);

/// Files that the system has named since the last look.
#[derive(Default)]
struct Changes {
    paths: Mutex<HashSet<PathBuf>>,
    news: Notify,
}

impl<F, M> Watch<'_, M>
where
    F: Format,
    M: Fn() -> F,
{
    /// Goes on until the log fails for good; drop it to end.
    pub(crate) async fn run(self, told: OnWatched<'_>) -> Result<()> {
        let changes = Arc::new(Changes::default());
        let watcher = self.listen(&changes);
        let mut looks: HashMap<PathBuf, Look> = HashMap::new();
        let mut live: HashMap<PathBuf, Live<F>> = HashMap::new();
        let mut named: Option<HashSet<PathBuf>> = None;
        let mut looked = Instant::now();
        let mut troubled: HashSet<String> = HashSet::new();
        loop {
            if looked.elapsed() >= Duration::from_millis(LOOK_AGAIN_MS) {
                named = None;
            }
            if named.is_none() {
                looked = Instant::now();
            }
            let (sources, troubles) = self.changed(named.as_ref(), &mut looks);
            for trouble in troubles {
                // It is tried again at each look, and told once.
                if troubled.len() < TROUBLES_MAX && troubled.insert(trouble.to_string()) {
                    told(Err(&trouble));
                }
            }
            if !sources.is_empty() {
                match self.take(&sources, &mut live).await {
                    Ok(imported) => told(Ok(&imported)),
                    // Also when a file has gone while it was read.
                    Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::NotFound) => {
                        told(Err(&error));
                        // What was read and not recorded is read again, from the marks.
                        live.clear();
                        looks.clear();
                        tokio::time::sleep(Duration::from_millis(TRY_AGAIN_MS)).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            live.retain(|path, _| looks.contains_key(path));
            if live.len() > LIVE_MAX {
                live.clear();
            }
            named = wait(&changes, watcher.is_some()).await;
        }
    }

    /// Asks the system to name what changes; where it cannot, looking now and then must do.
    fn listen(&self, changes: &Arc<Changes>) -> Option<RecommendedWatcher> {
        let changes = Arc::clone(changes);
        let endings = self.endings;
        let heard = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let paths = event.paths.into_iter().filter(|path| has_ending(path, endings));
            let mut named = changes.paths.lock().unwrap_or_else(PoisonError::into_inner);
            let before = named.len();
            named.extend(paths);
            if named.len() > before {
                changes.news.notify_one();
            }
        };
        let listening = notify::recommended_watcher(heard).and_then(|mut watcher| {
            for root in self.roots.iter().filter(|root| root.exists()) {
                watcher.watch(root, RecursiveMode::Recursive)?;
            }
            Ok(watcher)
        });
        listening.ok()
    }

    /// The files that look different from the last time, of those that were named or of all.
    fn changed(
        &self,
        named: Option<&HashSet<PathBuf>>,
        looks: &mut HashMap<PathBuf, Look>,
    ) -> (Vec<Source>, Vec<Error>) {
        let mut sources = Sources::lenient(self.endings);
        match named {
            Some(named) => {
                named.iter().filter(|path| path.is_file()).for_each(|path| sources.add_if_there(path));
            }
            None => self.roots.iter().for_each(|root| sources.add_if_there(root)),
        }
        let mut seen = HashSet::new();
        let mut changed = Vec::new();
        let mut troubles = sources.take_troubles();
        for source in sources.into_found() {
            let Some(path) = source.place() else { continue };
            let Ok(about) = fs::metadata(&path) else { continue };
            let look = (about.len(), about.modified().ok());
            seen.insert(path.clone());
            if looks.get(&path) == Some(&look) {
                continue;
            }
            // One that cannot be opened counts as not looked at, and is tried again.
            match source.open() {
                Ok(_) => {
                    looks.insert(path, look);
                    changed.push(source);
                }
                Err(trouble) => troubles.push(trouble),
            }
        }
        if named.is_none() {
            looks.retain(|path, _| seen.contains(path));
        }
        (changed, troubles)
    }

    async fn take(&self, sources: &[Source], live: &mut HashMap<PathBuf, Live<F>>) -> Result<Imported> {
        let mut quiet = |_: Progress<'_>| {};
        let intake = Intake { progress: &mut quiet, redactor: self.redactor, again: false };
        let mut importer = Importer::new(self.log, None, intake);
        for source in sources {
            let Some(path) = source.place() else { continue };
            // A file that has gone since it was seen has nothing to tell.
            let Ok(file) = File::open(&path) else { continue };
            if let Some(mut known) = live.remove(&path).filter(|live| live.goes_on_in(&file)) {
                let mut file = file;
                let there = file.seek(SeekFrom::Start(known.mark.bytes));
                there.map_err(|cause| source.unreadable(cause))?;
                importer.read_on(source, file, &mut known.format, &mut known.mark).await?;
                live.extend(known.at(&path));
                continue;
            }
            let mut format = (self.format)();
            if let Some(mark) = importer.read_source(source, &mut format).await? {
                let begun = Live { format, mark, identity: identity(&file), tail: Vec::new() };
                live.extend(begun.at(&path));
            }
        }
        importer.finish().await
    }
}

/// What changed since the last look; none when it is time to look at everything.
async fn wait(changes: &Changes, is_listening: bool) -> Option<HashSet<PathBuf>> {
    let look_again = Duration::from_millis(LOOK_AGAIN_MS);
    if !is_listening {
        tokio::time::sleep(look_again).await;
        return None;
    }
    if tokio::time::timeout(look_again, changes.news.notified()).await.is_err() {
        return None;
    }
    tokio::time::sleep(Duration::from_millis(GATHER_MS)).await;
    Some(std::mem::take(&mut *changes.paths.lock().unwrap_or_else(PoisonError::into_inner)))
}

impl<F> Live<F> {
    /// Whether a file is the one that was read, with more behind the mark.
    fn goes_on_in(&self, file: &File) -> bool {
        identity(file) == self.identity && tail(file, self.mark.bytes).is_ok_and(|tail| tail == self.tail)
    }

    /// With the end of what was read, as it is in the file now.
    fn at(mut self, path: &Path) -> Option<(PathBuf, Self)> {
        self.tail = tail(&File::open(path).ok()?, self.mark.bytes).ok()?;
        Some((path.to_owned(), self))
    }
}

/// The last bytes before a place.
fn tail(mut file: &File, end: u64) -> io::Result<Vec<u8>> {
    let bytes = end.min(TAIL_BYTES);
    file.seek(SeekFrom::Start(end - bytes))?;
    let mut tail = vec![0; bytes as usize];
    file.read_exact(&mut tail)?;
    Ok(tail)
}

#[cfg(unix)]
fn identity(file: &File) -> Identity {
    use std::os::unix::fs::MetadataExt;
    file.metadata().map_or_else(|_| Identity::default(), |about| Identity(about.dev(), about.ino()))
}

/// Elsewhere the bytes before the mark must do.
#[cfg(not(unix))]
fn identity(_file: &File) -> Identity {
    Identity::default()
}
