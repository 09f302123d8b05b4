//! The servers that other tests rely on: they answer, they survive what is done to them, and nothing of them is left.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;

use std::{path::PathBuf, process::Command};

use cluster::{Bouncer, Cluster};

/// A server, or nothing where none is installed.
fn cluster() -> Option<Cluster> {
    is_there(Cluster::programs()).then(|| Cluster::start().unwrap())
}

/// Whether programs are there; in CI it is a failure when they are not.
fn is_there(found: Result<PathBuf, String>) -> bool {
    let Err(reason) = found else { return true };
    assert!(cfg!(windows) || std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
    false
}

fn answer(url: &str, statement: &str) -> String {
    let psql = Cluster::programs().unwrap().join("psql");
    let output = Command::new(psql).args(["-X", "-A", "-t", "-c", statement, "-d", url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn what_is_committed_survives_a_kill_and_a_stop() {
    let Some(mut cluster) = cluster() else { return };
    let url = cluster.url();
    answer(&url, "create table kept (number bigint)");
    answer(&url, "insert into kept values (7)");
    cluster.kill();
    cluster.restart().unwrap();
    assert!(cluster.log().contains("was interrupted"), "it was no crash:\n{}", cluster.log());
    assert_eq!(answer(&url, "select number from kept"), "7");
    cluster.stop();
    cluster.restart().unwrap();
    assert_eq!(answer(&url, "select number from kept"), "7");
    assert_eq!(answer(&url, "show fsync"), "on");
}

#[test]
fn two_clusters_and_a_bouncer_stand_side_by_side() {
    let (Some(first), Some(mut second)) = (cluster(), cluster()) else { return };
    if !is_there(Bouncer::program()) {
        return;
    }
    let bouncer = Bouncer::start(&second).unwrap();
    answer(&bouncer.url(), "create table here ()");
    let there = "select count(*) from pg_tables where tablename = 'here'";
    assert_eq!(answer(&first.url(), there), "0");
    assert_eq!(answer(&second.url(), there), "1");
    second.kill();
    second.restart().unwrap();
    assert_eq!(answer(&bouncer.url(), there), "1", "{}", bouncer.log());
}
