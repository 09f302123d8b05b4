//! What the process that is cut off does.

use std::path::PathBuf;
use std::sync::Arc;

use factlog::{Keep, Position};
use factlog_stores::Open;

use super::notes::Noted;
use super::stores::Store;

/// So many large batches, and every store has kept house long ago.
const LARGE_BATCHES_MAX: u64 = 1_000;

/// One way to use a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workload {
    Creation,
    Single,
    Batches,
    Together,
    LongLived,
    HouseKeeping,
    Removal,
    Snapshots,
    Compaction,
}

/// A store in a folder, and where notes go.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) store: Store,
    pub(super) folder: PathBuf,
    pub(super) notes: PathBuf,
}

impl Place {
    async fn open(&self) -> Noted {
        let log = factlog_stores::open(&self.store.url(&self.folder), Open::Create).await;
        Noted::new(log.expect("the log opens"), &self.notes)
    }
}

impl Workload {
    pub(super) const ALL: [Self; 9] = [
        Self::Creation,
        Self::Single,
        Self::Batches,
        Self::Together,
        Self::LongLived,
        Self::HouseKeeping,
        Self::Removal,
        Self::Snapshots,
        Self::Compaction,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Single => "single",
            Self::Batches => "batches",
            Self::Together => "together",
            Self::LongLived => "long-lived",
            Self::HouseKeeping => "house-keeping",
            Self::Removal => "removal",
            Self::Snapshots => "snapshots",
            Self::Compaction => "compaction",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|workload| workload.name() == name)
    }

    /// What a power cut must leave whole.
    pub(super) fn promise(self) -> &'static str {
        match self {
            Self::Creation => "a_log_that_is_being_made_is_whole_or_not_there",
            Self::Single => "every_acknowledged_event_is_there_once",
            Self::Batches => "no_batch_is_there_by_half",
            Self::Together => "of_64_writers_at_once_none_loses_what_was_acknowledged",
            Self::LongLived => "what_is_written_ahead_is_no_event",
            Self::HouseKeeping => "events_survive_on_their_way_from_one_file_into_another",
            Self::Removal => "a_removal_is_done_and_said_or_neither",
            Self::Snapshots => "what_was_remembered_is_remembered",
            Self::Compaction => "a_compaction_changes_nothing_that_is_read",
        }
    }

    /// In how many places it is cut at the most, and how many disks each cut leaves.
    pub(super) fn cuts_and_seeds(self) -> (usize, u64) {
        match self {
            Self::Creation => (1_000, 6),
            Self::Single => (1_000, 4),
            Self::Batches | Self::Removal | Self::Compaction => (300, 3),
            Self::Together => (150, 4),
            Self::LongLived | Self::Snapshots => (200, 3),
            Self::HouseKeeping => (60, 3),
        }
    }

    /// Plays it to its end.
    pub(super) async fn play(self, place: &Place) {
        match self {
            Self::Creation => creation(place).await,
            Self::Single => single(place, 12).await,
            Self::Batches => batches(place).await,
            Self::Together => together(place).await,
            Self::LongLived => single(place, 72).await,
            Self::HouseKeeping => house_keeping(place).await,
            Self::Removal => removal(place).await,
            Self::Snapshots => snapshots(place).await,
            Self::Compaction => compaction(place).await,
        }
    }
}

async fn close(noted: Noted) {
    noted.log.close().await.expect("it closes");
}

async fn creation(place: &Place) {
    close(place.open().await).await;
    let noted = place.open().await;
    noted.append(1, &["test-1"], 1, 100).await;
    close(noted).await;
}

async fn single(place: &Place, events: u64) {
    let noted = place.open().await;
    for number in 1..=events {
        noted.append(number, &["test-1"], 1, 300).await;
    }
    close(noted).await;
    let noted = place.open().await;
    noted.append(events + 1, &["test-1"], 1, 300).await;
    close(noted).await;
}

async fn batches(place: &Place) {
    let noted = place.open().await;
    for (number, (size, bytes)) in
        (1..).zip([(1, 50), (20, 300), (3, 9_000), (100, 20), (2, 4_000), (7, 700)])
    {
        noted.append(number, &["test-1", "test-2", "test-3"], size, bytes).await;
    }
    close(noted).await;
}

/// 64 at once, so that one commit holds many batches.
async fn together(place: &Place) {
    let noted = Arc::new(place.open().await);
    let writers: Vec<_> = (0..64)
        .map(|writer: u64| {
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let stream = format!("test-{writer}");
                for turn in 0..4 {
                    noted.append(writer * 4 + turn, &[&stream], 1 + (writer + turn) % 3, 200).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("it has not panicked");
    }
    noted.log.close().await.expect("it closes");
}

/// So many bytes that the store carries them to where they stay while it runs, and then uses the space anew.
async fn house_keeping(place: &Place) {
    let noted = place.open().await;
    let _listening = noted.log.store().head();
    let mut number = 0;
    while !place.store.has_kept_house(&place.folder) {
        number += 1;
        assert!(number < LARGE_BATCHES_MAX, "the store keeps no house");
        noted.append(number, &["test-1", "test-2"], 5, 20_000).await;
    }
    for _ in 0..8 {
        number += 1;
        noted.append(number, &["test-1", "test-2"], 5, 20_000).await;
    }
    for _ in 0..16 {
        number += 1;
        noted.append(number, &["test-1"], 1, 300).await;
    }
    close(noted).await;
    let noted = place.open().await;
    for _ in 0..4 {
        number += 1;
        noted.append(number, &["test-1"], 1, 300).await;
    }
    close(noted).await;
}

async fn removal(place: &Place) {
    let noted = place.open().await;
    for number in 1..=6 {
        let stream = ["kept-1", "gone-1", "gone-2"][number as usize % 3];
        noted.append(number, &[stream], 8, 500).await;
    }
    noted.remove("gone-1").await;
    noted.append(7, &["kept-1"], 2, 500).await;
    // Its events are the newest but one.
    noted.append(8, &["gone-2"], 2, 500).await;
    noted.remove("gone-2").await;
    close(noted).await;
    let noted = place.open().await;
    noted.append(9, &["kept-1"], 1, 500).await;
    close(noted).await;
}

async fn snapshots(place: &Place) {
    let noted = place.open().await;
    for number in 1..=8 {
        let position = noted.append(number, &["test-1"], 2, 200).await;
        noted.save("newest", position, number, Keep::Newest).await;
        noted.save("history", position, number, Keep::History).await;
    }
    // The same place again, with another value.
    noted.save("history", Position(4), 100, Keep::History).await;
    close(noted).await;
}

async fn compaction(place: &Place) {
    let noted = place.open().await;
    for number in 1..=8 {
        let stream = ["kept-1", "gone-1"][number as usize % 2];
        noted.append(number, &[stream], 6, 4_000).await;
    }
    noted.remove("gone-1").await;
    noted.log.compact().await.expect("it is compacted");
    for number in 9..=11 {
        noted.append(number, &["kept-1"], 1, 300).await;
    }
    close(noted).await;
}
