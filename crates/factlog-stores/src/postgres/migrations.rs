//! The tables' versions: numbered, up and down, each step whole or not at all, one process at a time.

use deadpool_postgres::{ClientWrapper, Object};
use factlog::{Error, Result, Timestamp};
use tokio_postgres::types::Type;

use super::names::Names;
use super::options::PostgresOptions;
use super::pool::Pool;
use super::request::{Moment, Request};
use super::row::column;

/// One step.
struct Step {
    number: u32,
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

macro_rules! steps {
    ($($number:literal $name:literal),+) => {
        [$(Step {
            number: $number,
            name: $name,
            up: include_str!(concat!("migrations/", $number, "_", $name, "_up.sql")),
            down: include_str!(concat!("migrations/", $number, "_", $name, "_down.sql")),
        }),+]
    };
}

/// All steps; a step that was released is never changed.
static STEPS: [Step; 3] = steps![1 "log", 2 "remembering", 3 "removal"];

/// The version that this program needs.
pub(super) const NEWEST: u32 = STEPS.len() as u32;
/// Tells migrations' lock from the log's own.
const LOCK_CLASS: i32 = 0x6D69_6772;
/// The log's own tables, in one step less than this there is no log.
const LOG: u32 = 1;
/// The step that brings the remembered values.
const REMEMBERING: u32 = 2;

/// A step, and whether it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number: 1, 2, 3 ...
    pub number: u32,
    /// What it brings; of a step of a newer factlog, what that calls it.
    pub name: String,
    /// When it was taken; none if it was not.
    pub applied_at: Option<Timestamp>,
}

/// What a way down would lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Events.
    pub events: u64,
    /// Remembered values.
    pub snapshots: u64,
}

/// The migrations of the log at a server.
#[derive(Debug)]
pub struct Migrations {
    pool: Pool,
}

impl Migrations {
    /// Those of the log that the options name; nothing is changed yet.
    ///
    /// # Errors
    /// What the server says, where it cannot be reached or cannot keep a log.
    pub async fn of(options: PostgresOptions) -> Result<Self> {
        let pool = Pool::new(options)?;
        super::server::look(&pool).await?;
        Ok(Self { pool })
    }

    /// Every step that this program knows, and those that a newer one has taken.
    pub async fn status(&self) -> Result<Vec<Migration>> {
        let taken = taken(&self.pool).await?;
        let mut all: Vec<Migration> = STEPS
            .iter()
            .map(|step| Migration { number: step.number, name: step.name.to_owned(), applied_at: None })
            .collect();
        for migration in taken {
            match all.iter_mut().find(|known| known.number == migration.number) {
                Some(known) => known.applied_at = migration.applied_at,
                None => all.push(migration),
            }
        }
        Ok(all)
    }

    /// Takes the steps up to a number, all of them where none is given; says which were taken.
    pub async fn up(&self, to: Option<u32>) -> Result<Vec<u32>> {
        up(&self.pool, checked(to.unwrap_or(NEWEST))?).await
    }

    /// What the way down to a number would lose.
    pub async fn losses(&self, to: u32) -> Result<Losses> {
        let version = version(&self.pool).await?;
        let mut losses = Losses::default();
        let names = &self.pool.options.names;
        let count = async |table: &str| -> Result<u64> {
            let request = Request::new(names.sql(&format!("SELECT count(*) FROM {table}")));
            Ok(column::<i64>(&self.pool.ask_one(&request).await?, 0)? as u64)
        };
        if version >= LOG && to < LOG {
            losses.events = count("{events}").await?;
        }
        if version >= REMEMBERING && to < REMEMBERING {
            losses.snapshots = count("{snapshots}").await?;
        }
        Ok(losses)
    }

    /// Takes the steps above a number back; what they have brought is gone. At 0 all is as it was before the first.
    pub async fn down(&self, to: u32) -> Result<Vec<u32>> {
        if to > 0 {
            checked(to)?;
        }
        let version = version(&self.pool).await?;
        if version > NEWEST {
            return Err(newer(version));
        }
        let names = &self.pool.options.names;
        let connection = begin(&self.pool, names).await?;
        let done = async {
            let mut gone = Vec::new();
            for step in STEPS.iter().rev().filter(|step| step.number > to && step.number <= version) {
                connection.batch_execute(&names.sql(step.down)).await?;
                let forget = Request::new(names.sql("DELETE FROM {migrations} WHERE number = $1"));
                forget.with(step.number as i32, Type::INT4).on(&connection).await?;
                gone.push(step.number);
            }
            if to == 0 && version > 0 {
                let made = Request::new(names.sql(
                    "SELECT value FROM {migrations_made} WHERE value = 'schema' AND NOT EXISTS (
                         SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE n.nspname = '{schema_text}' AND c.relkind IN ('r', 'v', 'm', 'S', 'f', 'p')
                             AND c.relname NOT IN ('{prefix_text}migrations', '{prefix_text}migrations_made')
                     ) AND NOT EXISTS (
                         SELECT FROM pg_proc p WHERE p.pronamespace = to_regnamespace('{schema_text}')
                     )",
                ));
                let made = !made.on(&connection).await?.is_empty();
                connection
                    .batch_execute(&names.sql("DROP TABLE {migrations_made}; DROP TABLE {migrations}"))
                    .await?;
                if made {
                    connection.batch_execute(&names.sql("DROP SCHEMA {schema}")).await?;
                }
            }
            connection.batch_execute("COMMIT").await?;
            Ok(gone)
        };
        done.await.map_err(|error| self.pool.failed(error).into())
    }
}

/// What steps were taken, by number.
async fn taken(pool: &Pool) -> Result<Vec<Migration>> {
    let names = &pool.options.names;
    let there = Request::new(names.sql("SELECT to_regclass('{migrations}') IS NOT NULL"));
    if !column::<bool>(&pool.ask_one(&there).await?, 0)? {
        return Ok(Vec::new());
    }
    let request =
        Request::new(names.sql("SELECT number, name, applied_at FROM {migrations} ORDER BY number"));
    let rows = pool.ask(&request).await?;
    rows.iter()
        .map(|row| {
            Ok(Migration {
                number: column::<i32>(row, 0)? as u32,
                name: column(row, 1)?,
                applied_at: Some(column::<Moment>(row, 2)?.0),
            })
        })
        .collect()
}

/// The last step that was taken; 0 where there is no log.
pub(super) async fn version(pool: &Pool) -> Result<u32> {
    Ok(taken(pool).await?.last().map_or(0, |migration| migration.number))
}

/// Refuses a log that this program cannot use as it is.
pub(super) fn check(version: u32) -> Result<()> {
    match version {
        NEWEST => Ok(()),
        older if older < NEWEST => Err(Error::invalid(format!(
            "the log's tables are at migration {older}, and this factlog needs {NEWEST}"
        ))
        .with_hint("`factlog migrate up` brings them there; nothing is lost by it")),
        version => Err(newer(version)),
    }
}

fn newer(version: u32) -> Error {
    Error::invalid(format!(
        "the log's tables are at migration {version}, made by a newer factlog; this one knows {NEWEST}"
    ))
    .with_hint("use the newer factlog")
}

fn checked(to: u32) -> Result<u32> {
    if (1..=NEWEST).contains(&to) {
        return Ok(to);
    }
    Err(Error::invalid(format!("there is no migration {to}")).with_hint(format!("they are 1 to {NEWEST}")))
}

/// Takes the steps up to a number.
pub(super) async fn up(pool: &Pool, to: u32) -> Result<Vec<u32>> {
    let names = &pool.options.names;
    let connection = begin(pool, names).await?;
    let done = async {
        let schema = Request::new("SELECT FROM pg_namespace WHERE nspname = $1")
            .with(names.schema().to_owned(), Type::TEXT);
        let is_new = schema.on(&connection).await?.is_empty();
        if is_new {
            connection.batch_execute(&names.sql("CREATE SCHEMA {schema}")).await?;
        }
        connection.batch_execute(&names.sql(MIGRATIONS)).await?;
        if is_new {
            connection.batch_execute(&names.sql("INSERT INTO {migrations_made} VALUES ('schema')")).await?;
        }
        let last = Request::new(names.sql("SELECT coalesce(max(number), 0) FROM {migrations}"))
            .on(&connection)
            .await?;
        let version = last.first().map_or(Ok(0), |row| row.try_get::<_, i32>(0))? as u32;
        let mut taken = Vec::new();
        for step in STEPS.iter().filter(|step| step.number > version && step.number <= to) {
            connection.batch_execute(&names.sql(step.up)).await?;
            Request::new(names.sql("INSERT INTO {migrations} VALUES ($1, $2, clock_timestamp(), $3)"))
                .with(step.number as i32, Type::INT4)
                .with(step.name, Type::TEXT)
                .with(concat!("factlog ", env!("CARGO_PKG_VERSION")), Type::TEXT)
                .on(&connection)
                .await?;
            taken.push(step.number);
        }
        connection.batch_execute("COMMIT").await?;
        Ok(taken)
    };
    done.await.map_err(|error| pool.failed(error).into())
}

/// Which steps were taken, and what was made for them.
const MIGRATIONS: &str = "
CREATE TABLE IF NOT EXISTS {migrations} (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL,
    program    text NOT NULL
);
CREATE TABLE IF NOT EXISTS {migrations_made} (value text PRIMARY KEY);";

/// A transaction that holds the migrations' lock, on a connection that nobody uses after it: without its end it is undone
/// with that.
async fn begin(pool: &Pool, names: &Names) -> Result<ClientWrapper> {
    let connection = Object::take(pool.get().await?);
    let begun = async {
        connection.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let lock = "SELECT set_config('lock_timeout', $3, true), pg_advisory_xact_lock($1, hashtext($2))";
        let lock = Request::new(lock)
            .with(LOCK_CLASS, Type::INT4)
            .with(format!("{}.{}", names.schema(), names.prefix()), Type::TEXT)
            .with(pool.options.lock_wait.as_millis().to_string(), Type::TEXT);
        lock.on(&connection).await
    };
    match begun.await {
        Ok(_) => Ok(connection),
        Err(error) => Err(pool.failed(error).into()),
    }
}
