//! Deployments: what was brought where, from which branch, and how its build and tests went.

use factlog::{Json, Timestamp};

use super::payload::payloads;

payloads! {
    /// A deployment began.
    DeploymentStarted = "deployment:started", of "deployment" by deployment_id;
    from B("deployment_started");
    needs { deployment_id("id"): String }
    takes {
        environment: String,
        branch("branchName"): String,
        commit("commitHash"): String,
        pr_number("pr"): u64,
        config("deploymentConfig"): Json,
        metadata: Json,
        started_at: Timestamp,
    }

    /// A deployment went well.
    DeploymentCompleted = "deployment:completed", of "deployment" by deployment_id;
    from B("deployment_completed");
    needs { deployment_id("id"): String }
    takes {
        environment: String,
        branch("branchName"): String,
        commit("commitHash"): String,
        pr_number("pr"): u64,
        build("buildResult"): Json,
        tests("testResults"): Json,
        logs: Json,
        metadata: Json,
        duration_ms("duration"): u64,
        started_at: Timestamp,
        completed_at: Timestamp,
    }

    /// A deployment went wrong.
    DeploymentFailed = "deployment:failed", of "deployment" by deployment_id;
    from B("deployment:error", "deployment_error");
    needs { deployment_id("id"): String }
    takes {
        environment: String,
        branch("branchName"): String,
        commit("commitHash"): String,
        pr_number("pr"): u64,
        error("errorMessage", "errorData"): String,
        error_code("code"): String,
        stack: String,
        build("buildResult"): Json,
        tests("testResults"): Json,
        logs: Json,
        metadata: Json,
        duration_ms("duration"): u64,
        started_at: Timestamp,
        failed_at: Timestamp,
    }
}
