//! Other names of types: the spellings of the origins, words that mean several types, and words with a condition.

use factlog::{Pattern, Result, TypePattern};

use super::{TYPES, type_named};

/// One thing that a name can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// The type.
    pub(crate) event_type: &'static str,
    /// A field of the data and the text it must have; none, and every event of the type is meant.
    pub(crate) condition: Option<(&'static str, &'static str)>,
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
    let Ok(pattern) = name.parse::<TypePattern>() else { return vec![name.to_owned()] };
    let asked = pattern.type_name();
    let mut names = vec![asked.to_owned()];
    let mut others = Vec::new();
    if let Some((_, meanings)) = WIDER.iter().find(|(wider, _)| *wider == asked) {
        for meaning in *meanings {
            match meaning.condition {
                None => add_names(&mut names, meaning.event_type),
                Some((field, text)) => {
                    let mut conditioned = Vec::new();
                    add_names(&mut conditioned, meaning.event_type);
                    others
                        .extend(conditioned.iter().map(|name| format!("{name}[data.{field} == \"{text}\"]")));
                }
            }
        }
    } else if asked.contains('*') && asked != "*" {
        TYPES
            .iter()
            .filter(|info| pattern.matches(info.name))
            .for_each(|info| add_names(&mut names, info.name));
    } else {
        add_names(&mut names, asked);
    }
    // A condition of the caller's own holds under every name.
    let with_condition = |name: String| pattern.with_type(&name).ok().map(|known| known.as_str().to_owned());
    let mut patterns: Vec<String> = names.into_iter().filter_map(with_condition).collect();
    if !pattern.has_condition() {
        patterns.append(&mut others);
    }
    patterns
}

/// Reads a pattern in which a type stands for all names that it was recorded under.
///
/// ```
/// use factlog_agents::vocabulary::pattern;
/// let pattern = pattern("SessionFailed followed by SessionQueued within 5m")?;
/// assert!(pattern.filter().types.iter().any(|name| name.as_str() == "session:queued"));
/// # Ok::<(), factlog::Error>(())
/// ```
///
/// # Errors
/// `Invalid`, saying where it is wrong.
pub fn pattern(text: &str) -> Result<Pattern> {
    Pattern::parse(text, |name| {
        type_patterns(name.as_str()).iter().filter_map(|name| name.parse().ok()).collect()
    })
}

/// All names of the type that a name stands for.
fn add_names(names: &mut Vec<String>, name: &str) {
    let Some(info) = type_named(name) else { return };
    for name in std::iter::once(info.name.to_owned()).chain(info.names()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

/// A name of a type as the origins spell theirs: `TaskCreated`, `TASK_CREATED`, `task_created`.
pub(crate) fn spellings(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split([':', '-']).collect();
    let capital = |word: &&str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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

    /// Story: a condition was lost when its type was widened to all its names, and a retention rule took what it should
    /// have kept.
    #[test]
    fn a_condition_holds_under_every_name() {
        let wide = type_patterns(r#"task:*[data.keep == "no"]"#);
        assert!(
            wide.len() > 10 && wide.iter().all(|name| name.ends_with(r#"[data.keep == "no"]"#)),
            "{wide:?}"
        );
        let starred = type_patterns(r#"task:created[data.x == "a*"]"#);
        assert!(starred.contains(&r#"TaskCreated[data.x == "a*"]"#.to_owned()), "{starred:?}");
        let failed = type_patterns("SessionFailed");
        assert!(failed.contains(&r#"SessionCompleted[data.result == "failure"]"#.to_owned()), "{failed:?}");
        assert!(!failed.iter().any(|name| name == "session:completed"), "{failed:?}");
    }

    #[test]
    fn a_type_in_other_letters_is_spelled_without_a_panic() {
        assert_eq!(type_patterns("über:ß-x"), ["über:ß-x"]);
        assert_eq!(spellings("über:x"), ["ÜberX", "ÜBER_X", "über_x"]);
    }

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
