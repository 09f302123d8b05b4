//! A filter as a condition in SQL, every value of it a bound parameter.

use factlog::{
    EventId, FILE_TAG, Filter, Priority, StreamName, TOOL_TAG, Tag, Text, TimeRange, Timestamp, TypePattern,
};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::names::Names;
use super::request::{Moment, Request};

/// A person's time: when it happened, else when it was recorded.
pub(super) const TIME: &str = "coalesce(e.occurred_at, e.recorded_at)";

/// A condition on the events `e`.
#[derive(Debug)]
pub(super) struct Condition {
    /// In SQL; empty where every event fits.
    pub(super) sql: String,
    /// Whether it says all that the filter says; else the filter has the last word on what it lets through.
    pub(super) is_exact: bool,
}

impl Condition {
    /// What a filter asks for; its parameters are bound in the request.
    pub(super) fn of(filter: &Filter, names: &Names, request: &mut Request) -> Self {
        let mut all = fields(filter, request);
        let mut is_exact = !filter.types.iter().any(TypePattern::has_condition);
        if let Some(not) = filter.not.as_deref() {
            // A pattern that the data must fit too leaves out less than its type says.
            let plain =
                not.types.iter().filter(|pattern| !pattern.has_condition()).cloned().collect::<Vec<_>>();
            is_exact &= plain.len() == not.types.len();
            let not = Filter { types: plain, ..not.clone() };
            all.extend(fields(&not, request).into_iter().map(|field| format!("({field}) IS NOT TRUE")));
            all.extend(recorded(not.recorded, request).map(|field| format!("({field}) IS NOT TRUE")));
        }
        // Positions follow recorded times, and an index knows positions.
        let before = names.sql("(SELECT {recorded_before}(");
        if let Some(from) = filter.recorded.from {
            all.push(format!("e.position > {before}{}))", moment(from, request)));
        }
        if let Some(to) = filter.recorded.to {
            all.push(format!("e.position <= {before}{}))", moment(to, request)));
        }
        Self { sql: all.join(" AND "), is_exact }
    }

    /// As the end of a `WHERE` that has something before it.
    pub(super) fn and(&self) -> String {
        if self.sql.is_empty() { String::new() } else { format!(" AND {}", self.sql) }
    }
}

/// The conditions of a filter's fields, but for `recorded` and `not`.
fn fields(filter: &Filter, request: &mut Request) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(any("e.stream", filter.streams.iter().map(StreamName::as_str), request));
    all.extend(any("split_part(e.stream, '-', 1)", filter.categories.iter().map(Text::as_str), request));
    all.extend(types(&filter.types, request));
    all.extend(any("e.source", filter.sources.iter().map(Text::as_str), request));
    all.extend(shared("e.targets", filter.targets.iter().map(ToString::to_string), request));
    all.extend(any("e.correlation_id", filter.correlation.iter().map(Text::as_str), request));
    all.extend(any_id("e.causation_id", &filter.causation, request));
    all.extend(any("e.session_id", filter.session.iter().map(Text::as_str), request));
    all.extend(any("e.user_id", filter.user.iter().map(Text::as_str), request));
    all.extend(shared("e.tags", filter.tags.iter().map(ToString::to_string), request));
    all.extend(shared("e.tags", behind(FILE_TAG, &filter.files), request));
    all.extend(shared("e.tags", behind(TOOL_TAG, &filter.tools), request));
    all.extend(any("e.priority", filter.priorities.iter().copied().map(Priority::as_str), request));
    all.extend(any_id("e.id", &filter.ids, request));
    all.extend(within(TIME, filter.time, request));
    all.extend(within("e.expires_at", filter.expires, request));
    if let Some(text) = &filter.text {
        // In this collation only ASCII has a lower case.
        let text = request.bind(text.to_ascii_lowercase(), Type::TEXT);
        all.push(format!("strpos(lower(e.data::text COLLATE \"C\"), {text}) > 0"));
    }
    all
}

fn any<'a>(column: &str, values: impl Iterator<Item = &'a str>, request: &mut Request) -> Option<String> {
    let values: Vec<String> = values.map(str::to_owned).collect();
    (!values.is_empty()).then(|| format!("{column} = ANY ({})", request.bind(values, Type::TEXT_ARRAY)))
}

fn any_id(column: &str, ids: &[EventId], request: &mut Request) -> Option<String> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    (!ids.is_empty()).then(|| format!("{column} = ANY ({})", request.bind(ids, Type::UUID_ARRAY)))
}

fn shared(column: &str, values: impl Iterator<Item = String>, request: &mut Request) -> Option<String> {
    let values: Vec<String> = values.collect();
    (!values.is_empty()).then(|| format!("{column} && {}", request.bind(values, Type::TEXT_ARRAY)))
}

fn behind<'a>(before: &'a str, tags: &'a [Tag]) -> impl Iterator<Item = String> + use<'a> {
    tags.iter().map(move |tag| format!("{before}{tag}"))
}

fn types(patterns: &[TypePattern], request: &mut Request) -> Option<String> {
    let exact = any("e.type", patterns.iter().filter_map(TypePattern::exact), request);
    let like = like(patterns);
    let like =
        (!like.is_empty()).then(|| format!("e.type LIKE ANY ({})", request.bind(like, Type::TEXT_ARRAY)));
    match (exact, like) {
        (Some(exact), Some(like)) => Some(format!("({exact} OR {like})")),
        (exact, like) => exact.or(like),
    }
}

/// The patterns that have a `*`, as `LIKE` writes them.
pub(super) fn like(patterns: &[TypePattern]) -> Vec<String> {
    let starred = patterns.iter().filter(|pattern| pattern.exact().is_none());
    starred
        .map(|pattern| {
            let mut like = String::new();
            for character in pattern.type_name().chars() {
                match character {
                    '*' => like.push('%'),
                    '%' | '_' | '\\' => like.extend(['\\', character]),
                    other => like.push(other),
                }
            }
            like
        })
        .collect()
}

fn within(column: &str, range: TimeRange, request: &mut Request) -> Option<String> {
    let from = range.from.map(|from| format!("{column} >= {}", moment(from, request)));
    let to = range.to.map(|to| format!("{column} < {}", moment(to, request)));
    match (from, to) {
        (Some(from), Some(to)) => Some(format!("({from} AND {to})")),
        (from, to) => from.or(to),
    }
}

fn recorded(range: TimeRange, request: &mut Request) -> Option<String> {
    within("e.recorded_at", range, request)
}

fn moment(time: Timestamp, request: &mut Request) -> String {
    request.bind(Moment(time), Type::TIMESTAMPTZ)
}
