//! Taking events out in parts: found by the server, said in the log, and taken out in one transaction each.

use factlog::admission::{self, Admission};
use factlog::{Batch, Error, Position, Read, Removal, Removed, Result, Timestamp};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::condition::Condition;
use super::pool::{Lost, Tries};
use super::query;
use super::request::{Request, number, position};
use super::row::column;
use super::transaction::{self, Transaction};
use super::{PostgresStore, head};

/// Events of one part.
const PART_EVENTS_MAX: usize = 10_000;

/// What one transaction takes out.
struct Part {
    /// What it says: all of this up to here.
    removal: Removal,
    positions: Vec<i64>,
}

impl PostgresStore {
    pub(super) async fn remove_in_parts(&self, removal: &Removal) -> Result<Removed> {
        let mut removed = Removed { count: 0, position: None };
        // It says no more than what was looked at: the log may grow meanwhile.
        let through = removal.through.min(head::newest(self.pool()).await?);
        let mut after = Position::START;
        loop {
            let (positions, looked_at) = self.find(removal, after, through).await?;
            let is_last = looked_at >= through;
            if !positions.is_empty() {
                let part = Part { removal: Removal { through: looked_at, ..removal.clone() }, positions };
                let done = self.take_out(&part).await?;
                removed.count += done.count;
                removed.position = done.position.or(removed.position);
            }
            if is_last {
                return Ok(removed);
            }
            after = looked_at;
        }
    }

    /// The next events that are meant, and up to where was looked.
    async fn find(
        &self,
        removal: &Removal,
        after: Position,
        through: Position,
    ) -> Result<(Vec<i64>, Position)> {
        let filter = removal.effective_filter();
        let mut request = Request::default();
        let names = &self.pool().options.names;
        let condition = Condition::of(&filter, names, &mut request);
        if !condition.is_exact {
            return self.find_by_pages(filter, after, through).await;
        }
        let after = request.bind(number(after), Type::INT8);
        let last = request.bind(number(through), Type::INT8);
        request.sql = format!(
            "SELECT e.position FROM {} e WHERE e.position > {after} AND e.position <= {last}{}
             ORDER BY e.position LIMIT {PART_EVENTS_MAX}",
            names.sql("{events}"),
            condition.and()
        );
        let rows = self.pool().ask(&request).await?;
        let positions = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>>>()?;
        let is_full = positions.len() == PART_EVENTS_MAX;
        let looked_at = positions.last().filter(|_| is_full).map_or(through, |last| position(*last));
        Ok((positions, looked_at))
    }

    /// The same where the data must be looked at.
    async fn find_by_pages(
        &self,
        filter: factlog::Filter,
        after: Position,
        through: Position,
    ) -> Result<(Vec<i64>, Position)> {
        let mut read = Read::after(filter, after);
        let mut positions = Vec::new();
        loop {
            let page = query::page(self.pool(), &read).await?;
            positions.extend(
                page.events
                    .iter()
                    .map(|event| number(event.position))
                    .take_while(|at| *at <= number(through)),
            );
            if !page.more || page.next >= through {
                return Ok((positions, through));
            }
            if positions.len() + read.limit > PART_EVENTS_MAX {
                return Ok((positions, page.next));
            }
            read.cursor = read.cursor.at(page.next);
        }
    }

    async fn take_out(&self, part: &Part) -> Result<Removed> {
        let mut tries = Tries::new(&self.pool().options);
        // What a try without an answer has said is known by its id.
        let mut said: Option<(Batch, u64)> = None;
        loop {
            match self.take_out_once(part, &mut said).await {
                Ok(removed) => return Ok(removed),
                Err(lost) => tries.again(lost).await?,
            }
        }
    }

    async fn take_out_once(&self, part: &Part, said: &mut Option<(Batch, u64)>) -> Result<Removed, Lost> {
        let pool = self.pool();
        let names = &pool.options.names;
        let mut transaction = Transaction::begin(pool).await?;
        // Somebody else may have taken some of them out since they were looked for.
        let sql =
            "SELECT count(*), (SELECT max(position) FROM {events}) FROM {events} WHERE position = ANY ($1)";
        let there = Request::new(names.sql(sql)).with(part.positions.clone(), Type::INT8_ARRAY);
        let rows = transaction.ask(&there).await?;
        let row = rows.first().ok_or_else(|| Lost::Never(Error::stopped("the server gave no answer")))?;
        let count = column::<i64>(row, 0).map_err(Lost::Never)? as u64;
        let newest = position(column::<Option<i64>>(row, 1).map_err(Lost::Never)?.unwrap_or_default());
        if let Some((batch, count)) = said {
            let look =
                async |client: &Client| transaction::facts(client, names, batch, Position::START).await;
            let mut facts = transaction.within(look).await?;
            if let Ok(Admission::Repeated(appended)) = admission::admit(batch, &mut facts, Timestamp::now()) {
                // The try before has done it.
                return Ok(Removed { count: *count, position: Some(appended.last()) });
            }
        }
        if count == 0 {
            return Ok(Removed { count, position: None });
        }
        let batch = Batch::of_removal(&part.removal, newest, count).map_err(Lost::Never)?;
        let (batch, _) = said.insert((batch, count));
        let say = async |client: &Client| transaction::append(client, names, batch, Position::START).await;
        let appended = transaction.within(say).await?;
        let request =
            Request::new(names.sql("SELECT {take_out}($1)")).with(part.positions.clone(), Type::INT8_ARRAY);
        transaction.ask(&request).await?;
        transaction.commit().await?;
        self.shared().committed(appended.last(), std::time::Duration::ZERO);
        Ok(Removed { count, position: Some(appended.last()) })
    }
}
