//! `factlog config`: the settings in force.

use serde_json::json;

use super::Context;
use crate::cli::{ConfigAction, ConfigArgs};
use crate::failure::Outcome;
use crate::output::Listing;
use crate::settings::{Setting, Settings};

pub(crate) fn run(context: &Context, args: &ConfigArgs) -> Outcome {
    let ConfigAction::Show { origin } = args.action;
    let format = context.format("config show", Listing::FORMATS)?;
    let settings = all(&context.settings);
    let mut headings = vec!["SETTING".to_owned(), "VALUE".to_owned()];
    if origin {
        headings.push("ORIGIN".to_owned());
    }
    let rows = settings.iter().map(|setting| {
        let mut row =
            vec![setting.name.to_owned(), setting.value.clone().unwrap_or_else(|| "(by command)".to_owned())];
        if origin {
            row.push(setting.origin.clone());
        }
        row
    });
    let json = settings.iter().map(|setting| {
        let mut json = json!({"name": setting.name, "value": setting.value});
        if origin {
            json["origin"] = json!(setting.origin);
        }
        json
    });
    let listing = Listing { headings, rows: rows.collect(), numbers: Vec::new(), json: json.collect() };
    listing.print(format)
}

/// Every setting in force; what only a preset or a variable sets, where one does.
fn all(settings: &Settings) -> Vec<Setting> {
    let store = Setting { value: Some(settings.shown_url()), ..settings.store.clone() };
    let mut all = vec![store, settings.format.clone(), settings.retention_setting()];
    all.extend(settings.preset.value.is_some().then(|| settings.preset.clone()));
    all.extend(settings.configuration.settings().iter().map(|setting| Setting {
        name: setting.name,
        value: Some(setting.shown().to_owned()),
        origin: setting.origin.clone(),
    }));
    all
}
