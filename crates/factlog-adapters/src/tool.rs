//! What a tool is called and which files it touches, as tags that people find events by: `tool:NAME` and `file:PATH`.

use factlog::limits::TAGS_MAX;
use factlog::{FILE_TAG, TOOL_TAG, Tag};
use serde_json::{Map, Value};

/// Fields of a tool's input that name one file, in the agents that we know.
const PATH_FIELDS: [&str; 7] =
    ["file_path", "notebook_path", "absolute_path", "filePath", "absolutePath", "path", "dir_path"];
/// Fields that name several.
const PATHS_FIELDS: [&str; 2] = ["paths", "file_paths"];
/// How the lines of a patch begin that name a file, as Codex writes them.
const PATCH_LINES: [&str; 4] = ["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
/// A marker of a patch in a text.
const PATCH_BEGINS: &str = "*** Begin Patch";

/// The tags of one use of a tool. Files in the working folder are named from there.
pub(crate) fn tags(name: &str, input: Option<&Value>, folder: Option<&str>) -> Vec<Tag> {
    let mut tags = Vec::new();
    add(&mut tags, TOOL_TAG, name);
    let Some(input) = input else { return tags };
    match input {
        // Codex hands its arguments over as JSON in a string, and patches as they are.
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => add_fields(&mut tags, &fields, folder),
            _ => add_patch(&mut tags, text, folder),
        },
        Value::Object(fields) => add_fields(&mut tags, fields, folder),
        _ => {}
    }
    tags
}

/// Where the input of a call stands.
const INPUT_FIELDS: [&str; 4] = ["arguments", "args", "input", "action"];

/// The tags of a call as Codex and Gemini CLI write it down.
pub(crate) fn tags_of_call(call: &Value, folder: Option<&str>) -> Vec<Tag> {
    let name = call.get("name").or_else(|| call.pointer("/function/name")).and_then(Value::as_str);
    // Tools that Codex has of its own have no name: `local_shell_call`.
    let kind = || call.get("type").and_then(Value::as_str)?.strip_suffix("_call");
    let input = INPUT_FIELDS.iter().find_map(|field| call.get(*field));
    tags(name.or_else(kind).unwrap_or_default(), input, folder)
}

fn add_fields(tags: &mut Vec<Tag>, fields: &Map<String, Value>, folder: Option<&str>) {
    for path in PATH_FIELDS.iter().filter_map(|field| fields.get(*field)?.as_str()) {
        add(tags, FILE_TAG, relative(path, folder));
    }
    for paths in PATHS_FIELDS.iter().filter_map(|field| fields.get(*field)?.as_array()) {
        for path in paths.iter().filter_map(Value::as_str) {
            add(tags, FILE_TAG, relative(path, folder));
        }
    }
    let texts = fields.values().flat_map(|value| match value {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    });
    for text in texts.filter_map(Value::as_str) {
        add_patch(tags, text, folder);
    }
}

fn add_patch(tags: &mut Vec<Tag>, text: &str, folder: Option<&str>) {
    if !text.contains(PATCH_BEGINS) {
        return;
    }
    for line in text.lines() {
        if let Some(path) = PATCH_LINES.iter().find_map(|begin| line.strip_prefix(begin)) {
            add(tags, FILE_TAG, relative(path.trim(), folder));
        }
    }
}

/// A path as people in the working folder write it.
fn relative<'a>(path: &'a str, folder: Option<&str>) -> &'a str {
    let inside =
        folder.map(|folder| folder.trim_end_matches(['/', '\\'])).filter(|folder| !folder.is_empty());
    let inside = inside
        .and_then(|folder| path.strip_prefix(folder))
        .and_then(|rest| rest.strip_prefix(['/', '\\']))
        .filter(|rest| !rest.is_empty());
    let path = inside.unwrap_or(path);
    path.strip_prefix("./").unwrap_or(path)
}

/// Adds a tag once; what is too long for one, or odd, is left out.
fn add(tags: &mut Vec<Tag>, kind: &str, name: &str) {
    if name.is_empty() || tags.len() == TAGS_MAX {
        return;
    }
    if let Ok(tag) = Tag::new(format!("{kind}{name}"))
        && !tags.contains(&tag)
    {
        tags.push(tag);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(name: &str, input: &Value) -> Vec<String> {
        tags(name, Some(input), Some("/home/ada/site/")).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_are_named_from_the_working_folder_and_others_in_full() {
        assert_eq!(
            of("Edit", &json!({"file_path": "/home/ada/site/src/a.rs"})),
            ["tool:Edit", "file:src/a.rs"]
        );
        assert_eq!(of("Read", &json!({"file_path": "/etc/hosts"})), ["tool:Read", "file:/etc/hosts"]);
        assert_eq!(
            of("Read", &json!({"file_path": "/home/ada/site-2/a"})),
            ["tool:Read", "file:/home/ada/site-2/a"]
        );
        assert_eq!(of("read_many_files", &json!({"paths": ["./a", "b", "a"]}))[1..], ["file:a", "file:b"]);
    }

    #[test]
    fn a_patch_names_its_files_wherever_it_stands() {
        let patch =
            "*** Begin Patch\n*** Update File: src/a.rs\n@@\n-x\n+y\n*** Add File: b.md\n+z\n*** End Patch";
        for input in [
            json!(patch),
            json!({"input": patch}),
            json!({"command": ["apply_patch", patch]}),
            json!(json!({"input": patch}).to_string()),
        ] {
            assert_eq!(of("apply_patch", &input)[1..], ["file:src/a.rs", "file:b.md"], "{input}");
        }
    }

    #[test]
    fn what_cannot_be_a_tag_is_left_out() {
        assert_eq!(of("", &json!({"file_path": " "})), Vec::<String>::new());
        assert_eq!(of("Read", &json!({"file_path": "a\u{7}"})), ["tool:Read"]);
        assert_eq!(of("Bash", &json!(["file_path"])), ["tool:Bash"]);
    }
}
