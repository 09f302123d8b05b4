//! What the callers, the writer and the keeper of one store share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use factlog::{Error, Result, StreamName, Version};
use tokio::sync::oneshot;

use super::HEAD_POLL_MS;
use super::files::{Files, HEAD_FILE, told};
use super::group::{Answer, Group, Prepared, Written};
use super::ledger::Heads;
use super::line::Line;
use super::load::{Loaded, Mode, load};
use super::lock::Lock;
use super::mark::Mark;
use super::open::{Found, find, settle};
use super::query;
use super::runs;
use super::view::{Entry, View};
use super::walk::{Rest, Stretch, walk};
use super::writer::Writer;
use crate::published::Published;
use crate::vfs::VfsFile;

/// Events of so many index files wait at the most, while the log is written without a pause.
const BUSY_INDEXES: usize = 4;

/// Work for the writer that is no append: done alone, under the lock of the log.
pub(super) type Task = Box<dyn FnOnce(Result<&mut Writer>) + Send>;

/// What waits for the writer's next turn.
pub(super) enum Job {
    Append { batches: Vec<Prepared>, to: oneshot::Sender<Vec<Result<factlog::Appended>>> },
    Task(Task),
}

/// The part that writers of one process share.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is true or false by itself")]
pub(super) struct Core {
    pub(super) heads: Heads,
    pub(super) group: Group,
    /// Written, and not yet known to be on the disk.
    pub(super) in_flight: Vec<Arc<Written>>,
    pub(super) pending: VecDeque<Job>,
    /// Whether callers may put their lines into the group themselves: the writer has the log's lock.
    pub(super) is_open: bool,
    /// Whether the writer is in a turn: nobody else writes the log.
    pub(super) in_turn: bool,
    pub(super) stopped: Option<Error>,
    pub(super) is_closing: bool,
    /// Whether the writer waits for work.
    pub(super) is_waiting: bool,
    /// Room for lines that was used before.
    pub(super) spare: Vec<u8>,
    /// What `head.json` said last.
    pub(super) seen: Option<Mark>,
    /// The length of the last segment's file, as it was found.
    pub(super) len: u64,
}

pub(super) struct Log {
    pub(super) files: Files,
    /// None where there is none to read.
    pub(super) head_file: Option<Arc<dyn VfsFile>>,
    /// None where the log is only looked at.
    pub(super) lock: Option<Lock>,
    core: Mutex<Core>,
    pub(super) work: Condvar,
    view: RwLock<Arc<View>>,
    pub(super) published: Published,
    pub(super) is_indexing: AtomicBool,
    indexer: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("folder", &self.files.folder).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log in a folder that has one.
    pub(super) fn open(files: Files, mode: Mode) -> Result<Self> {
        let Found { head_file, lock, loaded: (loaded, seen) } = find(&files, mode)?;
        let Loaded { view, heads, len } = loaded;
        let core = Core { heads, seen, len, ..Core::default() };
        Ok(Self {
            head_file,
            lock,
            core: Mutex::new(core),
            work: Condvar::new(),
            published: Published::new(view.head),
            view: RwLock::new(Arc::new(view)),
            is_indexing: AtomicBool::new(false),
            indexer: Mutex::new(None),
            files,
        })
    }

    /// No code that can panic runs under the lock with the state half changed.
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what readers see.
    pub(super) fn change_view(&self, change: impl FnOnce(&mut View)) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut view));
    }

    pub(super) fn publish(&self) {
        self.published.publish(self.view().head);
    }

    pub(super) fn committed(&self, took: Duration) {
        self.published.committed(took, self.files.vfs.now());
        self.publish();
    }

    /// Takes an append: into the open group, or to where it waits for the writer's next turn.
    pub(super) fn submit(&self, batches: Vec<Prepared>, to: oneshot::Sender<Vec<Result<factlog::Appended>>>) {
        let mut core = self.core();
        if let Some(error) = core.refusal() {
            let outcomes = batches.iter().map(|_| Err(error.clone())).collect();
            // Who has gone hears nothing.
            let _ = to.send(outcomes);
            return;
        }
        if core.is_open && core.pending.is_empty() && core.group.has_room_for(&batches) {
            core.admit(self, &batches, to);
        } else {
            core.pending.push_back(Job::Append { batches, to });
        }
        self.wake(core);
    }

    /// Wakes the writer, if it waits: to wake costs a call of the system.
    fn wake(&self, mut core: MutexGuard<'_, Core>) {
        let is_waiting = std::mem::take(&mut core.is_waiting);
        drop(core);
        if is_waiting {
            self.work.notify_one();
        }
    }

    /// Gives the writer a task.
    pub(super) fn submit_task(&self, task: Task) {
        let mut core = self.core();
        if let Some(error) = core.refusal() {
            drop(core);
            task(Err(error));
            return;
        }
        core.pending.push_back(Job::Task(task));
        self.wake(core);
    }

    /// The version of a stream, as far as events are synced: what is on its way to the disk may never get there.
    pub(super) fn version(&self, stream: &StreamName) -> Result<Version> {
        let (view, known, removed) = {
            let core = self.core();
            let removed = core.heads.removed.get(stream).copied().unwrap_or_default();
            (self.view(), core.heads.known_version(stream), removed)
        };
        if let Some(damage) = &view.damage {
            return Err(damage.clone());
        }
        match known {
            Some((version, position)) if position <= view.head => Ok(version),
            _ => Ok(query::newest_version(&self.files, &view, stream)?.max(removed)),
        }
    }

    /// Takes in what other processes have written since.
    pub(super) fn refresh(&self) -> Result<()> {
        let mut core = self.core();
        if core.in_turn || core.is_closing {
            return Ok(());
        }
        let mark = self.mark()?;
        // While files change, what was known of them is as good, up to where it goes.
        let is_known = |mark: Mark| mark.changing && mark.position <= self.view().head;
        if mark == core.seen || mark.is_none_or(is_known) {
            return Ok(());
        }
        core.follow(self, mark, Mode::Look)?;
        drop(core);
        self.publish();
        Ok(())
    }

    /// What `head.json` says now.
    fn mark(&self) -> Result<Option<Mark>> {
        let Some(file) = &self.head_file else { return Ok(None) };
        Mark::read(&**file).map_err(|error| told(&self.files.path(HEAD_FILE), error))
    }

    /// Waits while files are changed, as long as for the lock, and takes in what they are then. This blocks.
    pub(super) fn wait_for_files(&self) -> Result<()> {
        let until = Instant::now() + self.files.options.lock_wait;
        while self.mark()?.is_some_and(|mark| mark.changing) && Instant::now() < until {
            if self.core().refusal().is_some() {
                // Nothing is found anew here.
                break;
            }
            if self.lock.is_none() {
                // Who only looks has no writer whose turn to wait for.
                std::thread::sleep(Duration::from_millis(HEAD_POLL_MS));
                continue;
            }
            // The writer's turn comes after those of others, and finds the log anew where one of them has died.
            let (done, waiting) = std::sync::mpsc::channel();
            self.submit_task(Box::new(move |writer| {
                // Who has gone hears nothing.
                let _ = done.send(writer.map(|_| ()));
            }));
            waiting.recv().unwrap_or_else(|_| Err(Error::stopped("the log is closed")))?;
        }
        self.refresh()
    }

    /// Makes an index of the newest events when there are enough, on a thread of its own where that is wanted.
    pub(super) fn index_if_due(log: &Arc<Self>) {
        let enough = log.files.options.tuning.index_events;
        // While writing keeps the machine busy, an index can wait.
        let is_due =
            |events: usize| events >= enough && (events >= BUSY_INDEXES * enough || !log.core().is_open);
        let background = log.files.options.tuning.background;
        let events = log.view().tail.len();
        let due = if background { is_due(events) } else { events >= enough };
        if !due || log.is_indexing.swap(true, Ordering::Relaxed) {
            return;
        }
        if !background {
            log.index(enough, false);
            log.is_indexing.store(false, Ordering::Relaxed);
            return;
        }
        let shared = Arc::clone(log);
        let started = std::thread::Builder::new().name("factlog-index".into()).spawn(move || {
            // What fails is said, and tried again when more was written.
            while shared.view().tail.len() >= enough && !shared.core().is_closing {
                if !shared.index(enough, false) {
                    break;
                }
            }
            shared.is_indexing.store(false, Ordering::Relaxed);
        });
        match started {
            Ok(thread) => *log.indexer.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread),
            Err(error) => {
                tracing::warn!(%error, "the newest events are not indexed");
                log.is_indexing.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Waits for the index that is being made.
    pub(super) fn finish_indexing(&self) {
        let thread = self.indexer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that makes indexes has panicked");
        }
    }

    /// Makes an index of the first events of the tail; `false` when that has failed.
    pub(super) fn index(&self, events: usize, join: bool) -> bool {
        let view = self.view();
        if view.is_changing {
            return false;
        }
        let run = match runs::build(&self.files, &view, events, join) {
            Ok(run) => run,
            Err(error) => {
                tracing::warn!(%error, "the newest events are not indexed");
                return false;
            }
        };
        let last = run.last;
        let mut core = self.core();
        // Segments may have been written anew meanwhile, or the log found anew with other indexes: then it is of those no more.
        let now = self.view();
        if now.rewrites == view.rewrites && now.indexed() == view.indexed() {
            drop(now);
            self.change_view(|view| view.install(run));
            core.heads.indexed(last);
        }
        true
    }
}

impl Core {
    /// Why nothing is taken any more.
    fn refusal(&self) -> Option<Error> {
        self.stopped.clone().or_else(|| self.is_closing.then(|| Error::stopped("the log is closed")))
    }

    /// Judges batches and puts their lines into the open group.
    pub(super) fn admit(
        &mut self,
        log: &Log,
        batches: &[Prepared],
        to: oneshot::Sender<Vec<Result<factlog::Appended>>>,
    ) {
        let view = log.view();
        let Self { group, heads, in_flight, .. } = self;
        let outcomes = batches
            .iter()
            .map(|prepared| group.append(prepared, (&log.files, &view), heads, in_flight))
            .collect();
        group.answers.push(Answer { to, outcomes });
    }

    /// Takes in what a newer mark tells of.
    pub(super) fn follow(&mut self, log: &Log, mark: Option<Mark>, mode: Mode) -> Result<()> {
        let view = log.view();
        let newer = mark.filter(|mark| {
            mark.generation == view.generation
                && mark.segment == view.segments.last().copied()
                && mark.position >= view.head
                && mark.bytes >= view.end
        });
        if let (Some(mark), Some(segment)) = (newer, newer.and_then(|mark| mark.segment)) {
            let stretch =
                Stretch { segment, from: view.end, len: mark.bytes, trusted: mark.bytes, after: view.head };
            drop(view);
            self.follow_lines(log, stretch)?;
            self.seen = Some(mark);
            return Ok(());
        }
        let (loaded, mark) = match (&log.head_file, mode) {
            (Some(file), Mode::Write) => settle(&log.files, &**file)?,
            _ => (load(&log.files, mark, Mode::Look)?, mark),
        };
        let Loaded { view, heads, len } = loaded;
        (self.heads, self.len, self.seen) = (heads, len, mark);
        log.change_view(|known| *known = view);
        Ok(())
    }

    /// Takes in lines that another process has put behind those that are known.
    fn follow_lines(&mut self, log: &Log, stretch: Stretch) -> Result<()> {
        let mut entries = Vec::new();
        let heads = &mut self.heads;
        let walked = walk(&log.files, stretch, |line, place, _| {
            let odd =
                || log.files.damage(stretch.segment, u64::from(place.offset), "a value is none of ours");
            heads.take_in(line).ok_or_else(odd)?;
            if let Line::Event(fields) = line {
                entries.push(Entry { position: fields.position, place });
            }
            Ok(())
        })?;
        let damage = match walked.rest {
            Rest::Damaged(error) => Some(error),
            Rest::Clean | Rest::Torn => None,
        };
        log.change_view(|view| {
            entries.into_iter().for_each(|entry| view.tail.push(entry));
            (view.head, view.end, view.damage) = (walked.last, walked.end, damage);
        });
        Ok(())
    }
}
