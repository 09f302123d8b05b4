//! Deployments: what was brought where, and how it went.

use std::collections::BTreeMap;

use factlog::{Event, Filter, Invalid, Json, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Entities, filter_of, later, milliseconds, set, when};
use crate::record::small;
use crate::status::Status;
use crate::vocabulary::Payload;

/// A deployment, as far as the log tells of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// Its id.
    pub deployment_id: String,
    /// How it stands; none as long as nothing says it.
    pub status: Option<Status>,
    /// Where it is brought to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The number of the pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr_number: Option<u64>,
    /// How the build went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Json>,
    /// How the tests went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<Json>,
    /// What was written on the way, where that is small.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<Json>,
    /// What went wrong, while it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it was tried.
    pub attempts: u64,
    /// When it began, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

impl Deployment {
    fn end(&mut self, status: Status, at: Timestamp, started: Option<Timestamp>, duration_ms: Option<u64>) {
        set(&mut self.started_at, started);
        self.attempts = self.attempts.max(1);
        self.status = Some(status);
        self.ended_at = Some(at);
        self.duration_ms = duration_ms.or_else(|| milliseconds(self.started_at?, at));
    }

    fn place(
        &mut self,
        environment: Option<String>,
        branch: Option<String>,
        commit: Option<String>,
        pr_number: Option<u64>,
    ) {
        set(&mut self.environment, environment);
        set(&mut self.branch, branch);
        set(&mut self.commit, commit);
        set(&mut self.pr_number, pr_number);
    }

    fn found(&mut self, build: Option<Json>, tests: Option<Json>, logs: Option<Json>) {
        set(&mut self.build, small(build));
        set(&mut self.tests, small(tests));
        set(&mut self.logs, small(logs));
    }
}

/// All deployments.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Deployments {
    deployments: BTreeMap<String, Deployment>,
}

impl Projection for Deployments {
    const NAME: &'static str = "deployments";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(&["deployment"], &[])
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        match Payload::of(event) {
            Some(Payload::DeploymentStarted(started)) => {
                let at = when(started.started_at, event);
                let deployment = self.deployment(event, &started.deployment_id);
                deployment.place(started.environment, started.branch, started.commit, started.pr_number);
                if deployment.ended_at.is_some_and(|ended| at <= ended) {
                    // Its end was told before.
                    deployment.started_at = Some(at);
                    deployment.duration_ms =
                        deployment.duration_ms.or_else(|| milliseconds(at, deployment.ended_at?));
                } else {
                    deployment.attempts += 1;
                    deployment.status = Some(Status::InProgress);
                    (deployment.started_at, deployment.ended_at) = (Some(at), None);
                    (deployment.duration_ms, deployment.error) = (None, None);
                }
            }
            Some(Payload::DeploymentCompleted(done)) => {
                let at = when(done.completed_at, event);
                let deployment = self.deployment(event, &done.deployment_id);
                deployment.place(done.environment, done.branch, done.commit, done.pr_number);
                deployment.found(done.build, done.tests, done.logs);
                deployment.end(Status::Completed, at, done.started_at, done.duration_ms);
                deployment.error = None;
            }
            Some(Payload::DeploymentFailed(failed)) => {
                let at = when(failed.failed_at, event);
                let deployment = self.deployment(event, &failed.deployment_id);
                deployment.place(failed.environment, failed.branch, failed.commit, failed.pr_number);
                deployment.found(failed.build, failed.tests, failed.logs);
                deployment.end(Status::Failed, at, failed.started_at, failed.duration_ms);
                deployment.error = failed.error;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Deployments {
    fn deployment(&mut self, event: &Event, id: &str) -> &mut Deployment {
        let deployment = self.deployments.entry(id.to_owned()).or_default();
        if deployment.deployment_id.is_empty() {
            id.clone_into(&mut deployment.deployment_id);
        }
        later(&mut deployment.updated_at, event.time());
        deployment
    }
}

impl Entities for Deployments {
    type Entity = Deployment;
    const NOUN: &'static str = "deployment";

    fn entities(&self) -> &BTreeMap<String, Deployment> {
        &self.deployments
    }
}
