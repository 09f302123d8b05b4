//! Logs at the server that the tests are given: `FACTLOG_TEST_POSTGRES_URL`, and through a pooler `FACTLOG_TEST_PGBOUNCER_URL`.

#![allow(dead_code, reason = "each test uses what it needs")]

use factlog_stores::PostgresOptions;
use factlog_stores::postgres::Migrations;

/// A log of one test, in a schema of its own.
pub(crate) struct Log {
    url: String,
}

impl Log {
    /// At the server itself.
    pub(crate) fn direct() -> Option<Self> {
        Self::at("FACTLOG_TEST_POSTGRES_URL")
    }

    /// Through the pooler, which gives another connection to every transaction.
    pub(crate) fn pooled() -> Option<Self> {
        Self::at("FACTLOG_TEST_PGBOUNCER_URL")
    }

    fn at(variable: &str) -> Option<Self> {
        let Ok(server) = std::env::var(variable) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "{variable} names no server: `cargo xtask test` starts one"
            );
            eprintln!("skipped: {variable} names no server; `cargo xtask postgres` starts one");
            return None;
        };
        let schema = format!("t{}", uuid::Uuid::now_v7().simple());
        Some(Self { url: format!("{server}?schema={schema}&retry_delay_ms=50") })
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its options.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&self.url).expect("a URL")
    }

    /// Takes its tables away, for a test that makes many logs.
    pub(crate) async fn forget(self) {
        let migrations = Migrations::of(self.options()).await.expect("the server");
        migrations.down(0).await.expect("the way down");
    }
}
