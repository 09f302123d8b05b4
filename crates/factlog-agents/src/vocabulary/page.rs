//! docs/vocabulary.md, made of the code.

use std::fmt::Write;

use super::alias::WIDER;
use super::strict::camel;
use super::{TYPES, TypeInfo};
use crate::{AgentStatus, SessionStatus, Status};

/// Types that are recorded with an agent's own record as their data, and what they tell.
pub const RECORDED: &[(&str, &str)] = &[
    ("session:prompted", "a person said something"),
    ("session:replied", "the model said something"),
    ("session:thought", "the model thought about it"),
    ("session:tool-called", "the model calls a tool"),
    ("session:tool-returned", "what the tool gave"),
    ("session:context-added", "text that the program gave the model"),
    ("session:turn-started", "a turn of the conversation began"),
    ("session:turn-ended", "a turn came to its end"),
    ("session:turn-aborted", "a turn was broken off"),
    ("session:api-failed", "the model could not be reached, or refused"),
    ("session:tokens-counted", "what the turn took in tokens"),
    ("session:compacted", "the conversation was made shorter"),
    ("session:compact-summarized", "what was left of it"),
    ("session:summarized", "what came out of the session, in a few words"),
    ("session:prompt-queued", "a person typed ahead"),
    ("session:configured", "the session's settings"),
    ("session:hooks-ran", "hooks ran"),
    ("session:command-ran", "a command of the program ran"),
    ("session:files-snapshotted", "the program kept the state of files"),
    ("session:pull-request-linked", "a pull request belongs to the session"),
    ("session:agent-messaged", "agents spoke with each other"),
    ("session:message-updated", "a message stands there again with more in it"),
    ("session:rewound", "messages were undone"),
    ("session:rewritten", "the conversation was written anew"),
    ("session:updated", "what is said of the session changed"),
    ("session:noted", "the program told the person something"),
    ("session:progressed", "a tool is still at work"),
    ("session:other", "anything else; nothing is dropped"),
    ("hook:*", "what an agent told its hook, named as the agent names it: hook:pre-tool-use"),
];

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Vocabulary\n\n\
        The types of events that fleets of agents have in common, made by `factlog docs vocabulary`. Any other type is as\n\
        welcome in a log; these are the ones that projections, statistics and commands understand.\n\n\
        A type has one name, `category:kebab-case`. Under its other names it is understood wherever a type is named, and\n\
        events that were recorded under one are read as what they mean: `TaskCreated`, `TASK_CREATED` and `task_created`\n\
        are `task:created`. The origins are A, the ADR-007 event store; B, the PostgreSQL event log; C, Scopecraft's event\n\
        sourcing; D, the inter-agent bus. Where two of them had different words for one thing, the table says which won.\n\n\
        In the payloads, a field with a `*` is needed; words in brackets are names that origins had for it, and are\n\
        understood. Durations are milliseconds, times RFC 3339 in UTC (numbers are read as milliseconds since 1970).\n",
    );
    let mut category = "";
    for info in TYPES {
        if info.category != category {
            category = info.category;
            let _ = write!(
                page,
                "\n## {category}\n\n| type | what happened | payload | origins |\n|---|---|---|---|\n"
            );
        }
        let _ = writeln!(page, "{}", row(info));
    }
    wider(&mut page);
    recorded(&mut page);
    statuses(&mut page);
    page
}

fn row(info: &TypeInfo) -> String {
    let schema = info.schema();
    let needs = schema.get("required").cloned().unwrap_or_default();
    let is_needed = |name: &str| needs.as_array().is_some_and(|needs| needs.iter().any(|need| need == name));
    let fields: Vec<String> = info
        .fields
        .iter()
        .map(|(field, was)| {
            let name = camel(field);
            let star = if is_needed(&name) { "*" } else { "" };
            let was: Vec<String> = was.iter().map(|word| format!("`{word}`")).collect();
            let was = if was.is_empty() { String::new() } else { format!(" ({})", was.join(", ")) };
            format!("`{name}`{star}{was}")
        })
        .collect();
    let origins: Vec<String> = info
        .origins
        .iter()
        .map(|(origin, words)| {
            let words: Vec<String> = words.iter().map(|word| format!(" `{word}`")).collect();
            format!("{origin:?}{}", words.concat())
        })
        .collect();
    let origins = if origins.is_empty() { "ours".to_owned() } else { origins.join("; ") };
    let about = info.about.trim().replace('\n', " ");
    format!("| `{}` | {about} | {} | {origins} |", info.name, fields.join(", "))
}

fn wider(page: &mut String) {
    page.push_str(
        "\n## Names that mean more\n\nThese stand for several types, or for some events of one.\n\n| name | means |\n|---|---|\n",
    );
    for (name, meanings) in WIDER {
        let meanings: Vec<String> = meanings
            .iter()
            .map(|meaning| match meaning.condition {
                None => format!("`{}`", meaning.event_type),
                Some((field, text)) => format!("`{}` with `{field}` `{text}`", meaning.event_type),
            })
            .collect();
        let _ = writeln!(page, "| `{name}` | {} |", meanings.join(", or "));
    }
}

fn recorded(page: &mut String) {
    page.push_str(
        "\n## Records of agents\n\nImports, `watch` and hooks record these; their data is the agent's own record, as it was.\n\
        Projections read from them which tools were used, which sub-agents worked, and what it took in tokens.\n\n\
        | type | what it tells |\n|---|---|\n",
    );
    for (name, about) in RECORDED {
        let _ = writeln!(page, "| `{name}` | {about} |");
    }
}

fn statuses(page: &mut String) {
    page.push_str(
        "\n## Statuses and priorities\n\nThe origins' words mean these, whatever the case, with `_`, `-`, spaces or emoji in them;\n\
        the word itself stays in the data. A priority of `medium` is `normal`, `highest` is `critical`.\n",
    );
    let _ = write!(page, "\n| status of a task | words |\n|---|---|\n");
    for status in Status::ALL {
        let _ = writeln!(page, "| `{status}` | {} |", status.words().join(", "));
    }
    let _ = write!(page, "\n| status of an agent | words |\n|---|---|\n");
    for status in AgentStatus::ALL {
        let _ = writeln!(page, "| `{status}` | {} |", status.words().join(", "));
    }
    let _ = write!(page, "\n| status of a session | words |\n|---|---|\n");
    for status in SessionStatus::ALL {
        let _ = writeln!(page, "| `{status}` | {} |", status.words().join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_type_is_none_of_the_vocabulary() {
        for (name, _) in RECORDED {
            assert!(super::super::type_named(name).is_none(), "{name}");
        }
    }
}
