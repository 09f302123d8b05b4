//! The suite that every backend runs: one named test per promise of [`Store`](trait@crate::Store) and per limit.
//!
//! ```ignore
//! factlog::conformance!(MyBackend::new());
//! ```

mod aggregates;
mod appending;
mod following;
mod limits;
mod random;
mod reading;
mod remembering;
mod removing;
mod time_travel;

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Appended, Batch, EventLog, NewEvent, Store};

pub use aggregates::*;
pub use appending::*;
pub use following::*;
pub use limits::*;
pub use random::*;
pub use reading::*;
pub use remembering::*;
pub use removing::*;
pub use time_travel::*;

/// A backend under test: one log, that can be opened again and again.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Opens the log of this test.
    async fn open(&self) -> Arc<dyn Store>;

    /// Whether the log is still there after it was closed.
    fn survives_close(&self) -> bool {
        true
    }
}

/// Runs one case on a runtime of its own.
///
/// # Panics
/// When the case fails.
pub fn run<F: Future<Output = ()>>(backend: impl Backend, case: impl FnOnce(Arc<dyn Backend>) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(case(Arc::new(backend)));
}

/// Makes one `#[test]` per case for a backend; `if` before it takes an `Option`, and none passes.
#[macro_export]
macro_rules! conformance {
    (if $backend:expr) => {
        $crate::conformance!(@cases $backend;
            a_batch_is_recorded_whole_or_not_at_all,
            positions_are_dense_and_versions_continue_each_stream,
            a_stale_writer_is_refused_and_told_where_the_stream_is,
            expectations_none_exists_and_any_mean_what_they_say,
            an_expectation_on_another_stream_guards_the_batch,
            a_conflict_refuses_one_batch_and_not_its_neighbours,
            the_same_ids_again_change_nothing_and_return_the_first_result,
            a_repeat_is_recognised_before_its_stale_expectation,
            an_id_with_another_content_is_a_conflict,
            a_batch_that_mixes_known_and_new_ids_is_refused,
            a_repeat_within_one_group_is_a_repeat,
            a_condition_holds_until_something_matches,
            a_condition_sees_what_the_same_group_wrote,
            of_many_writers_one_wins_each_version,
            writers_of_many_streams_lose_nothing,
            recorded_times_never_decrease,
            data_and_metadata_come_back_byte_for_byte,
            every_field_of_the_envelope_comes_back,
            kept_stamps_are_kept,
            kept_stamps_behind_the_head_are_refused,
            versions_stay_below_2_to_the_53,
            appends_after_close_are_refused,
            a_log_that_is_opened_again_goes_on_where_it_stopped,
            pages_go_both_ways_and_meet,
            a_page_is_bounded_in_events_and_bytes,
            an_empty_log_gives_an_empty_page,
            skip_and_limit_count_matching_events,
            a_reading_between_two_positions_stays_between_them,
            readers_see_a_dense_prefix_while_writers_write,
            counts_agree_with_reading,
            every_filter_field_agrees_with_its_meaning_on_random_logs,
            following_crosses_from_old_to_new_without_a_gap,
            following_with_a_rare_filter_misses_nothing,
            following_from_now_gives_only_what_comes,
            many_followers_get_the_same_events,
            a_slow_follower_is_late_and_complete,
            following_ends_with_an_error_when_the_log_is_closed,
            a_durable_follower_goes_on_where_it_stopped,
            an_idle_durable_follower_saves_once_a_second_at_the_most,
            a_durable_follower_whose_place_was_forgotten_begins_anew,
            a_second_follower_of_the_same_name_ends_with_conflict,
            a_projection_follows_and_remembers,
            a_projection_of_a_new_revision_is_built_anew,
            a_rebuilt_projection_switches_to_the_same_state,
            a_projection_that_cannot_take_an_event_says_so,
            a_projection_that_panics_ends_and_nobody_waits_for_ever,
            several_projections_share_one_reading,
            a_projection_at_a_moment_is_as_it_was,
            a_projection_at_any_moment_is_what_a_fold_from_nothing_makes,
            a_look_at_the_past_folds_only_the_events_since_the_state_before_it,
            looking_back_remembers_nothing,
            a_history_is_thinned_with_age,
            a_large_state_is_kept_less_often,
            a_new_revision_forgets_the_old_history_and_no_other_projection,
            a_projection_whose_state_was_forgotten_begins_a_new_history,
            two_runners_of_one_projection_do_not_harm_each_other,
            a_removed_past_is_refused_and_a_state_kept_from_before_still_serves,
            a_stream_is_remembered_at_every_hundredth_version_and_read_from_there,
            the_state_of_a_stream_at_any_moment_is_what_a_fold_from_nothing_makes,
            a_state_is_not_remembered_by_reading_it_nor_for_an_unknown_stream,
            a_streams_states_are_thinned_with_age,
            a_new_revision_of_an_aggregate_forgets_the_states_of_the_old_one,
            a_second_one_that_remembers_the_same_ends_with_conflict,
            a_stream_whose_versions_were_removed_has_no_state_unless_in_part,
            a_streams_version_survives_the_removal_of_its_events,
            a_version_of_a_stream_is_found_in_the_log,
            a_state_on_which_an_append_is_decided_comes_with_its_version,
            the_largest_names_and_values_are_kept,
            a_batch_of_the_most_events_is_kept_and_one_more_refused,
            data_of_16_mib_is_kept_and_one_byte_more_refused,
            a_filter_of_the_most_values_is_answered,
            snapshots_are_found_at_or_before_a_position,
            snapshots_compare_and_set,
            a_newest_snapshot_is_not_overwritten_by_an_older_one,
            revisions_survive_forgetting,
            snapshots_are_forgotten_one_by_one,
            snapshots_are_listed_in_order_after_any_of_them,
            a_missing_snapshot_is_none,
            snapshots_survive_opening_again,
            removal_says_so_and_keeps_versions_and_positions,
            removed_ids_are_forgotten,
            removal_of_nothing_records_nothing,
            the_record_of_removals_cannot_be_removed,
            a_condition_whose_range_was_removed_is_refused,
            a_projection_that_would_begin_in_a_removed_range_is_refused,
            a_removal_reaches_to_the_head_at_the_most,
            removed_events_are_not_given_to_followers,
            removals_that_came_with_a_copy_are_known,
            positions_past_every_end_are_only_far_away,
            removal_survives_opening_again,
            compaction_changes_nothing_that_is_read,
            a_removal_of_many_events_is_said_to_the_last,
            a_check_of_a_good_log_finds_nothing,
            health_says_where_the_log_is,
        );
    };
    (@cases $backend:expr; $($case:ident,)*) => {
        $(
            #[test]
            fn $case() {
                if let Some(backend) = $backend {
                    $crate::conformance::run(backend, $crate::conformance::$case);
                }
            }
        )*
    };
    ($backend:expr) => {
        $crate::conformance!(if Some($backend));
    };
}

async fn open(backend: &Arc<dyn Backend>) -> EventLog {
    EventLog::on(backend.open().await)
}

/// An event with a little data.
fn fact(stream: &str, event_type: &str, number: u64) -> NewEvent {
    match NewEvent::new(stream, event_type, serde_json::json!({ "number": number })) {
        Ok(event) => event,
        Err(error) => panic!("{error:?}"),
    }
}

fn batch(events: impl IntoIterator<Item = NewEvent>) -> Batch {
    match Batch::new(events.into_iter().collect()) {
        Ok(batch) => batch,
        Err(error) => panic!("{error:?}"),
    }
}

fn positions(appended: &Appended) -> Vec<u64> {
    appended.events.iter().map(|event| event.position.0).collect()
}

/// Appends this many events to a stream, in batches.
async fn fill(log: &EventLog, stream: &str, count: u64) {
    let numbers: Vec<u64> = (1..=count).collect();
    for chunk in numbers.chunks(500) {
        let events = chunk.iter().map(|number| fact(stream, "filler:added", *number));
        log.append(batch(events)).await.expect("a plain append succeeds");
    }
}
