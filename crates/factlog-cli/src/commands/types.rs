//! `factlog types`: the vocabulary.

use std::io::Write;

use factlog::Error;
use factlog_agents::vocabulary::{RECORDED, TYPES, TypeInfo, camel, type_named, type_patterns};
use serde_json::{Value, json};

use super::Context;
use crate::cli::{TypesAction, TypesArgs};
use crate::failure::Outcome;
use crate::output::{Format, Listing, stdout};

pub(crate) fn run(context: &Context, args: &TypesArgs) -> Outcome {
    match &args.action {
        None => list(context, &args.category),
        Some(TypesAction::Show { name }) => show(context, name),
    }
}

fn list(context: &Context, categories: &[String]) -> Outcome {
    let format = context.format("types", Listing::FORMATS)?;
    let is_wanted =
        |category: &str| categories.is_empty() || categories.iter().any(|wanted| wanted == category);
    let known = TYPES.iter().filter(|info| is_wanted(info.category));
    let mut rows: Vec<Vec<String>> =
        known.clone().map(|info| vec![info.name.to_owned(), about(info), info.names().join(" ")]).collect();
    let mut json: Vec<Value> = known.map(summary).collect();
    for (name, about) in RECORDED.iter().filter(|(name, _)| is_wanted(name.split(':').next().unwrap_or(name)))
    {
        rows.push(vec![(*name).to_owned(), (*about).to_owned(), String::new()]);
        json.push(json!({"type": name, "category": name.split(':').next(), "about": about, "names": []}));
    }
    if rows.is_empty() {
        return Err(Error::not_found(format!("no types of the category {}", categories.join(", "))).into());
    }
    let headings = ["TYPE", "WHAT HAPPENED", "OTHER NAMES"].map(str::to_owned).into();
    Listing { headings, rows, numbers: Vec::new(), json: json.into() }.print(format)
}

fn about(info: &TypeInfo) -> String {
    info.about.trim().replace('\n', " ")
}

fn summary(info: &TypeInfo) -> Value {
    json!({"type": info.name, "category": info.category, "about": about(info), "names": info.names(),
        "origins": info.origins.iter().map(|(origin, _)| origin).collect::<Vec<_>>()})
}

fn show(context: &Context, name: &str) -> Outcome {
    let format = context.format("types show", &[Format::Table, Format::Json])?;
    let Some(info) = type_named(name) else {
        if let Some((recorded, about)) = RECORDED.iter().find(|(recorded, _)| is_of(recorded, name)) {
            return show_recorded(recorded, about, format);
        }
        let means = type_patterns(name);
        let error = Error::not_found(format!("{name:?} is no type of the vocabulary"));
        return Err(match &means[1..] {
            [] => error.with_hint("`factlog types` lists all; any other type can be recorded too"),
            several => error.with_hint(format!("it stands for {}", several.join(", "))),
        }
        .into());
    };
    let schema = serde_json::to_value(info.schema())?;
    let mut out = stdout();
    if format == Format::Json {
        let mut shown = summary(info);
        shown["schema"] = schema;
        writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
        return Ok(out.flush()?);
    }
    writeln!(out, "{}\n{}\n", info.name, about(info))?;
    writeln!(out, "stream  {}-ID", info.category)?;
    writeln!(out, "also    {}\n", info.names().join(", "))?;
    out.flush()?;
    drop(out);
    fields(info, &schema).print(format)
}

/// Whether a name is of the types that are recorded as agents tell them.
fn is_of(recorded: &str, name: &str) -> bool {
    recorded.strip_suffix('*').map_or(recorded == name, |begin| name.starts_with(begin))
}

fn show_recorded(name: &str, about: &str, format: Format) -> Outcome {
    let mut out = stdout();
    if format == Format::Json {
        let shown = json!({"type": name, "category": name.split(':').next(), "about": about, "names": []});
        writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
    } else {
        writeln!(out, "{name}\n{about}\n\nIts data is the agent's own record, as it was.")?;
    }
    Ok(out.flush()?)
}

fn fields(info: &TypeInfo, schema: &Value) -> Listing {
    let none = serde_json::Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&none);
    let needs = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = info.fields.iter().filter_map(|(field, was)| {
        let name = camel(field);
        let about = fields.get(&name)?;
        let kind = match (about["type"].as_str(), about["format"].as_str()) {
            (_, Some("date-time")) => "time",
            (Some("string"), _) => "text",
            (Some("integer"), _) => "whole number",
            (Some("number"), _) => "number",
            (Some("boolean"), _) => "true or false",
            (Some("array"), _) => "texts",
            _ => "any",
        };
        let need = if needs.iter().any(|need| *need == name) { "needed" } else { "" };
        let about = about["description"].as_str().unwrap_or_default();
        Some(vec![name, kind.to_owned(), need.to_owned(), about.to_owned(), was.join(" ")])
    });
    let headings = ["FIELD", "TAKES", "", "WHAT IT HOLDS", "ALSO"].map(str::to_owned).into();
    Listing { headings, rows: rows.collect(), numbers: Vec::new(), json: Value::Null }
}
