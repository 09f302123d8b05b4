//! Other names of types: the spellings of the origins, words that mean several types, and words with a condition.

use factlog::TypePattern;

use super::{TYPES, type_named};

/// One thing that a name can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The type.
    pub event_type: &'static str,
    /// A field of the data and the text it must have; none, and every event of the type is meant.
    pub condition: Option<(&'static str, &'static str)>,
}

const fn any(event_type: &'static str) -> Meaning {
    Meaning { event_type, condition: None }
}

/// Names that mean several types, or only some events of one.
pub(crate) const WIDER: &[(&str, &[Meaning])] = &[
    // Asked for in an origin's examples, though it never said what it is.
    (
        "SessionFailed",
        &[
            any("session:failed"),
            Meaning { event_type: "session:completed", condition: Some(("result", "failure")) },
        ],
    ),
    (
        "task_execution",
        &[any("task:started"), any("task:completed"), any("task:failed"), any("task:cancelled")],
    ),
    ("agent_lifecycle", &[any("agent:spawned"), any("agent:terminated")]),
    ("deployment", &[any("deployment:started"), any("deployment:completed"), any("deployment:failed")]),
];

/// What a name of a type means: itself, and what it stands for under other names; with a `*` in it, all that it matches
/// under theirs.
///
/// Each is written as a filter takes it: a type, or `type[data.field == "text"]`.
///
/// ```
/// use factlog_agents::vocabulary::type_patterns;
/// assert_eq!(type_patterns("order:placed"), ["order:placed"]);
/// assert!(type_patterns("TaskCreated").contains(&"task:created".to_owned()));
/// assert!(type_patterns("*:failed").contains(&"TASK_FAILED".to_owned()));
/// assert!(type_patterns("SessionFailed").contains(&"session:completed[data.result == \"failure\"]".to_owned()));
/// ```
pub fn type_patterns(name: &str) -> Vec<String> {
    let mut patterns = vec![name.to_owned()];
    if let Some((_, meanings)) = WIDER.iter().find(|(wider, _)| *wider == name) {
        for meaning in *meanings {
            match meaning.condition {
                None => add_names(&mut patterns, meaning.event_type),
                Some((field, text)) => {
                    patterns.push(format!("{}[data.{field} == \"{text}\"]", meaning.event_type));
                }
            }
        }
    } else if name.contains('*') && name != "*" {
        let Ok(pattern) = name.parse::<TypePattern>() else { return patterns };
        TYPES
            .iter()
            .filter(|info| pattern.matches(info.name))
            .for_each(|info| add_names(&mut patterns, info.name));
    } else {
        add_names(&mut patterns, name);
    }
    patterns
}

/// All names of the type that a name stands for.
fn add_names(patterns: &mut Vec<String>, name: &str) {
    let Some(info) = type_named(name) else { return };
    for name in std::iter::once(info.name.to_owned()).chain(info.names()) {
        if !patterns.contains(&name) {
            patterns.push(name);
        }
    }
}

/// A name of a type as the origins spell theirs: `TaskCreated`, `TASK_CREATED`, `task_created`.
pub(crate) fn spellings(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split([':', '-']).collect();
    let capital = |word: &&str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    let pascal: String = words.iter().map(capital).collect();
    let snake = words.join("_");
    let mut spellings = vec![pascal, snake.to_uppercase(), snake];
    // A word with a condition is wider than the type that is spelled like it.
    spellings.retain(|spelling| WIDER.iter().all(|(wider, _)| wider != spelling));
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_name_means_types_that_there_are_and_is_no_name_of_one() {
        for (name, meanings) in WIDER {
            assert!(type_named(name).is_none(), "{name}");
            for meaning in *meanings {
                assert!(type_named(meaning.event_type).is_some(), "{}", meaning.event_type);
            }
        }
    }
}
