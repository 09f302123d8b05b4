//! Logs at the server that the tests are given: `FACTLOG_TEST_POSTGRES_URL`, and through a pooler `FACTLOG_TEST_PGBOUNCER_URL`.

#![allow(dead_code, reason = "each test uses what it needs")]

use factlog_stores::PostgresOptions;
use factlog_stores::postgres::Migrations;
use tokio_postgres::{Client, NoTls};

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
        Some(Self::new(&server))
    }

    /// A new one at a server of the test's own.
    pub(crate) fn new(server: &str) -> Self {
        Self { url: format!("{server}?schema={}&retry_delay_ms=50", unique()) }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its URL with further settings, such as `attempts=1`.
    pub(crate) fn with(&self, settings: &str) -> String {
        format!("{}&{settings}", self.url)
    }

    /// The same log by another way to its server.
    pub(crate) fn by(&self, server: &str) -> Self {
        Self { url: self.url.replacen(self.server(), server, 1) }
    }

    /// One in another database of its server.
    pub(crate) fn in_database(&self, database: &str) -> Self {
        let (place, _) = self.server().rsplit_once('/').expect("a URL names its database");
        self.by(&format!("{place}/{database}"))
    }

    /// Where its server is.
    pub(crate) fn server(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// Where its tables are.
    pub(crate) fn schema(&self) -> String {
        self.options().names.schema().to_owned()
    }

    /// What takes the log's lock, and holds it up to the end of the transaction.
    pub(crate) fn lock(&self) -> String {
        let schema = self.schema();
        format!(
            "SELECT pg_advisory_xact_lock(x'66616374'::integer, ('{schema}.events'::regclass::oid::bigint & 2147483647)::integer)"
        )
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

/// A name that no other test has.
pub(crate) fn unique() -> String {
    format!("t{}", uuid::Uuid::now_v7().simple())
}

/// A connection of the test's own, beside those of the store.
pub(crate) async fn session(server: &str) -> Client {
    try_session(server).await.expect("the server answers")
}

pub(crate) async fn try_session(server: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(server, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
