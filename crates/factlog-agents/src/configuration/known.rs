//! Which settings there are: their variables, their values by preset, and what each takes.

use factlog::{Error, Result};

/// One setting: its name, its variable, its value by preset, and which values it takes.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) variable: &'static str,
    pub(super) by_preset: [&'static str; 4],
    pub(super) takes: Takes,
}

/// The values that a setting takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Text,
    Secret,
    /// A number between two.
    Number(u64, u64),
    /// `false` is off; for the rest `on` says what else is.
    Switch,
}

const fn known(
    name: &'static str,
    variable: &'static str,
    by_preset: [&'static str; 4],
    takes: Takes,
) -> Known {
    Known { name, variable, by_preset, takes }
}

const fn alike(name: &'static str, variable: &'static str, value: &'static str, takes: Takes) -> Known {
    known(name, variable, [value; 4], takes)
}

/// The longest time that a setting may say, in milliseconds: a week.
const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

pub(super) static KNOWN: [Known; 29] = [
    alike("postgres.host", "POSTGRES_HOST", "localhost", Takes::Text),
    alike("postgres.port", "POSTGRES_PORT", "5432", Takes::Number(1, 65_535)),
    known(
        "postgres.database",
        "POSTGRES_DATABASE",
        ["claude_task_master", "claude_task_master_dev", "claude_task_master", "claude_task_master_test"],
        Takes::Text,
    ),
    alike("postgres.user", "POSTGRES_USER", "postgres", Takes::Text),
    alike("postgres.password", "POSTGRES_PASSWORD", "", Takes::Secret),
    known("postgres.ssl_mode", "POSTGRES_SSL_MODE", ["", "", "require", ""], Takes::Text),
    known(
        "postgres.max_connections",
        "POSTGRES_MAX_CONNECTIONS",
        ["20", "10", "50", "5"],
        Takes::Number(2, 50),
    ),
    known("postgres.min_connections", "POSTGRES_MIN_CONNECTIONS", ["2", "2", "5", "1"], Takes::Number(0, 50)),
    known(
        "event.table_prefix",
        "EVENT_TABLE_PREFIX",
        ["claude_task_master", "dev_events", "claude_task_master", "test_events"],
        Takes::Text,
    ),
    known("event.batch_size", "EVENT_BATCH_SIZE", ["100", "50", "200", "10"], Takes::Number(1, 1_000)),
    known(
        "event.batch_timeout_ms",
        "EVENT_BATCH_TIMEOUT",
        ["5000", "2000", "10000", "1000"],
        Takes::Number(1, WEEK_MS),
    ),
    alike("event.health_monitoring", "EVENT_HEALTH_MONITORING", "true", Takes::Switch),
    alike(
        "event.health_check_interval_ms",
        "EVENT_HEALTH_CHECK_INTERVAL",
        "30000",
        Takes::Number(1, WEEK_MS),
    ),
    known("event.retry_attempts", "EVENT_RETRY_ATTEMPTS", ["3", "3", "5", "3"], Takes::Number(1, 100)),
    known(
        "event.retry_delay_ms",
        "EVENT_RETRY_DELAY",
        ["1000", "1000", "2000", "1000"],
        Takes::Number(0, WEEK_MS),
    ),
    alike("integration.enabled", "EVENT_INTEGRATION_ENABLED", "true", Takes::Switch),
    alike("integration.tasks", "EVENT_AUTO_CAPTURE_TASKS", "true", Takes::Switch),
    alike("integration.agents", "EVENT_AUTO_CAPTURE_AGENTS", "true", Takes::Switch),
    alike("integration.deployments", "EVENT_AUTO_CAPTURE_DEPLOYMENTS", "true", Takes::Switch),
    alike("integration.system", "EVENT_AUTO_CAPTURE_SYSTEM", "true", Takes::Switch),
    known(
        "integration.max_tracked_tasks",
        "EVENT_MAX_TRACKED_TASKS",
        ["1000", "1000", "5000", "1000"],
        Takes::Number(1, 1_000_000),
    ),
    known(
        "integration.max_tracked_agents",
        "EVENT_MAX_TRACKED_AGENTS",
        ["100", "100", "500", "100"],
        Takes::Number(1, 1_000_000),
    ),
    alike("integration.task_timeout_ms", "EVENT_TASK_TIMEOUT_MS", "3600000", Takes::Number(1, WEEK_MS)),
    alike("integration.agent_timeout_ms", "EVENT_AGENT_TIMEOUT_MS", "86400000", Takes::Number(1, WEEK_MS)),
    alike("log.level", "EVENT_LOG_LEVEL", "info", Takes::Text),
    alike("log.console", "EVENT_LOG_CONSOLE", "true", Takes::Switch),
    alike("log.file", "EVENT_LOG_FILE", "false", Takes::Switch),
    alike("log.file_path", "EVENT_LOG_FILE_PATH", "./logs/event-store.log", Takes::Text),
    alike("supabase.password", "SUPABASE_DB_PASSWORD", "", Takes::Secret),
];

/// `false` in any case, `0`, `off` and `no` are off.
pub(super) fn is_on(value: &str) -> bool {
    !["false", "0", "off", "no"].contains(&value.to_ascii_lowercase().as_str())
}

pub(super) fn check(known: &Known, value: &str) -> Result<()> {
    let refused = |what: String| Err(Error::invalid(format!("{}={value}: {what}", known.variable)));
    match known.takes {
        Takes::Number(least, most) => match value.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(()),
            _ => refused(format!("it takes a number from {least} to {most}")),
        },
        Takes::Switch
            if !["true", "false", "1", "0", "on", "off", "yes", "no"]
                .contains(&value.to_ascii_lowercase().as_str()) =>
        {
            refused("it takes true or false".to_owned())
        }
        _ => Ok(()),
    }
}
