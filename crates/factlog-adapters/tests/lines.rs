//! Whatever is in a file, its good lines go in once and its bad ones are named.

mod common;

use std::collections::BTreeSet;

use common::{Scene, counts, rejected};
use factlog_adapters::{CHUNK_EVENTS_MAX, Intake, LINE_BYTES_MAX, Progress, jsonl};

fn event(number: usize) -> String {
    format!(r#"{{"stream":"task-{number}","type":"task:created","data":{{"number":{number}}}}}"#)
}

/// Story: an import ran while the writer was in the middle of a line. The half line was reported as damage, or worse,
/// passed over for good.
#[tokio::test]
async fn a_half_written_last_line_is_left_for_the_next_run() {
    let scene = Scene::new();
    let (first, second) = (event(1), event(2));
    for cut in 1..second.len() {
        scene.write("a.jsonl", format!("{first}\n{}", &second[..cut]));
        let imported = scene.jsonl().await;
        assert_eq!((imported.read, imported.pending, imported.rejected.len()), (1, 1, 0), "{cut}");
    }
    scene.write("a.jsonl", format!("{first}\n{second}"));
    let imported = scene.jsonl().await;
    assert_eq!((counts(&imported), imported.pending), ((2, 1, 1, 0), 0), "a whole line needs no ending");
    scene.write("a.jsonl", format!("{first}\n{second}\n"));
    assert_eq!(counts(&scene.jsonl().await), (2, 0, 2, 0), "the ending that comes later changes nothing");
}

/// Story: the file was cut between the two bytes of an `é`, and the line was rejected as no text.
#[tokio::test]
async fn a_last_line_cut_inside_a_character_is_left_too() {
    let scene = Scene::new();
    scene.write("a.jsonl", b"{\"stream\":\"task-1\",\"type\":\"t\",\"data\":\"\xc3");
    let imported = scene.jsonl().await;
    assert_eq!((imported.read, imported.pending, imported.rejected.len()), (0, 1, 0));
}

/// Story: one bad line in the middle ended an import of ten thousand.
#[tokio::test]
async fn bad_lines_are_named_by_file_and_number_and_the_rest_goes_in() {
    let scene = Scene::new();
    let mut bytes = format!("{}\n\n{{\"stream\":\n[1]\n", event(1)).into_bytes();
    bytes.extend(b"\xff\n");
    bytes.extend(format!("{}\n", event(2)).bytes());
    scene.write("a.jsonl", bytes);
    let imported = scene.jsonl().await;
    assert_eq!((imported.read, imported.appended, imported.streams), (5, 2, 2));
    let bad = rejected(&imported);
    assert_eq!(
        bad.iter().map(|(file, line, _)| (file.as_str(), *line)).collect::<Vec<_>>(),
        [("a.jsonl", 3), ("a.jsonl", 4), ("a.jsonl", 5)]
    );
    assert!(bad[1].2.contains("not a JSON object"), "{bad:?}");
    assert_eq!(bad[2].2, "not UTF-8");
}

/// Story: a line of a gigabyte was read into memory before it was refused.
#[tokio::test]
async fn a_line_over_the_limit_is_named_and_reading_goes_on() {
    let scene = Scene::new();
    let long = "x".repeat(LINE_BYTES_MAX * 2);
    scene.write("a.jsonl", format!("{}\n{{\"stream\":\"{long}\"}}\n{}\n", event(1), event(2)));
    let imported = scene.jsonl().await;
    assert_eq!((imported.read, imported.appended), (3, 2));
    let bad = rejected(&imported);
    assert_eq!((bad[0].1, bad[0].2.contains(&LINE_BYTES_MAX.to_string())), (2, true), "{bad:?}");
}

/// Story: the same records, saved by an editor of another system, came in a second time.
#[tokio::test]
async fn endings_of_other_systems_and_byte_order_marks_make_no_other_event() {
    let scene = Scene::new();
    scene.write("a.jsonl", format!("{}\n{}\n", event(1), event(2)));
    scene.write("b.jsonl", format!("\u{feff}{}\r\n{}\r\n", event(1), event(2)));
    assert_eq!(counts(&scene.jsonl().await), (4, 2, 2, 0));
}

/// Story: the progress bar went backwards from file to file and never reached its end.
#[tokio::test]
async fn progress_never_goes_back_and_ends_at_the_total() {
    let scene = Scene::new();
    let many: Vec<String> = (0..6 * CHUNK_EVENTS_MAX).map(event).collect();
    scene.write("a.jsonl", many.join("\n"));
    scene.write("b.jsonl", event(1) + "\n\n\n");
    let mut told: Vec<(String, u64, Option<u64>)> = Vec::new();
    let mut on_progress = |progress: Progress<'_>| {
        told.push((progress.file.to_owned(), progress.bytes, progress.bytes_total));
    };
    let imported = jsonl::import(&scene.log, &[scene.path().to_owned()], Intake::telling(&mut on_progress))
        .await
        .unwrap();
    assert_eq!((imported.appended, imported.duplicates), (many.len() as u64, 1));
    assert!(told.is_sorted_by_key(|(_, bytes, _)| *bytes), "{told:?}");
    assert!(told.len() > 2, "also inside a file: {told:?}");
    let (file, bytes, total) = told.last().unwrap();
    assert!(file.ends_with("b.jsonl"));
    assert_eq!(Some(*bytes), *total);
}

/// Story: events came in another order than their lines, because chunks were sorted by something else.
#[tokio::test]
async fn order_is_kept_across_chunks() {
    let scene = Scene::new();
    let many: Vec<String> = (0..2 * CHUNK_EVENTS_MAX + 7).map(event).collect();
    scene.write("a.jsonl", many.join("\n"));
    scene.jsonl().await;
    let streams: Vec<String> = scene.events().await.iter().map(|event| event.stream.to_string()).collect();
    assert_eq!(streams, (0..many.len()).map(|number| format!("task-{number}")).collect::<Vec<_>>());
}

/// Story: `factlog import a.json1` did nothing and said so to nobody.
#[tokio::test]
async fn a_path_that_is_not_there_is_an_error_that_names_it() {
    let scene = Scene::new();
    let missing = scene.path().join("nowhere");
    let error = jsonl::import(&scene.log, std::slice::from_ref(&missing), Intake::telling(&mut |_| {}))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), factlog::ErrorKind::NotFound);
    assert!(error.message().contains("nowhere") && error.hint().is_some(), "{error:?}");
}

/// Story: a link to a folder above made an import walk in circles.
#[cfg(unix)]
#[tokio::test]
async fn links_in_a_circle_end_and_a_file_is_read_once_however_many_ways_lead_to_it() {
    let scene = Scene::new();
    let file = scene.write("in/a.jsonl", event(1));
    scene.write("in/b.txt", "not this one");
    std::os::unix::fs::symlink(scene.path(), scene.path().join("in/loop")).unwrap();
    std::os::unix::fs::symlink(&file, scene.path().join("in/c.jsonl")).unwrap();
    std::os::unix::fs::symlink("nowhere", scene.path().join("in/d.jsonl")).unwrap();
    let paths = [scene.path().to_owned(), file, scene.path().join("in")];
    let imported = jsonl::import(&scene.log, &paths, Intake::telling(&mut |_| {})).await.unwrap();
    assert_eq!(counts(&imported), (1, 1, 0, 0));
}

/// Story: files of folders went in in the order the disk gave them, another one on each machine.
#[tokio::test]
async fn folders_are_walked_in_the_order_of_names() {
    let scene = Scene::new();
    for (file, number) in [("b/x.jsonl", 3), ("a/y.ndjson", 2), ("a/a.JSONL", 1), ("c.jsonl", 4)] {
        scene.write(file, event(number));
    }
    scene.jsonl().await;
    let streams: Vec<String> = scene.events().await.iter().map(|event| event.stream.to_string()).collect();
    assert_eq!(streams, ["task-1", "task-2", "task-3", "task-4"]);
    assert_eq!(streams.iter().collect::<BTreeSet<_>>().len(), 4);
}
