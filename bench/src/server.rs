//! A PostgreSQL server of our own, on the disk that is measured, with the settings that it comes with. Each log has a schema,
//! named after its folder.

#[path = "../../crates/factlog-stores/tests/cluster/mod.rs"]
mod cluster;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Error, Result};
use tokio_postgres::{Client, Config, NoTls};

use self::cluster::Cluster;
use crate::tasks::RUNTIME;

static URL: OnceLock<String> = OnceLock::new();

/// The server; it goes when it is dropped.
pub(crate) struct Server(Cluster);

impl Server {
    /// Why there cannot be one; none where there can.
    pub(crate) fn missing() -> Option<String> {
        Cluster::programs().err()
    }

    /// Starts it in a folder.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let cluster = Cluster::start_in(folder).map_err(Error::msg)?;
        URL.get_or_init(|| cluster.url());
        Ok(Self(cluster))
    }

    /// Brings it to rest: drops the logs whose folders are gone, tidies what is left, and writes everything to the disk.
    pub(crate) fn settle(&self, folder: &Path) -> Result<()> {
        let mut kept = HashSet::new();
        for entry in std::fs::read_dir(folder)? {
            kept.extend(name_of(&entry?.file_name()));
        }
        RUNTIME.block_on(async {
            let client = connect(&self.0.url().parse()?).await?;
            let schemas = client.query("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'run%'", &[]).await?;
            for schema in schemas.iter().map(|row| row.get::<_, &str>(0)) {
                if !kept.contains(schema) {
                    client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await?;
                }
            }
            let untidy = "SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables WHERE last_vacuum IS NULL";
            for row in client.query(untidy, &[]).await? {
                client.batch_execute(&format!("VACUUM (ANALYZE) {}", row.get::<_, &str>(0))).await?;
            }
            Ok(client.batch_execute("CHECKPOINT").await?)
        })
    }
}

/// Where the log of a folder is: the server, and the schema.
pub(crate) fn log_of(folder: &Path) -> Result<(&'static str, String)> {
    let url = URL.get().context("no server was started")?;
    let schema = folder.file_name().and_then(name_of).context("a log is in a folder with a name")?;
    Ok((url, schema))
}

fn name_of(folder: &OsStr) -> Option<String> {
    Some(folder.to_str()?.to_ascii_lowercase().replace('-', "_"))
}

/// A connection, which a task of the runtime looks after.
pub(crate) async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    // What goes wrong with it is told by the requests on it.
    RUNTIME.spawn(connection);
    Ok(client)
}
