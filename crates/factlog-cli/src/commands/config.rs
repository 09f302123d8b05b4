//! `factlog config`: the settings in force.

use serde_json::json;

use super::Context;
use crate::cli::{ConfigAction, ConfigArgs};
use crate::failure::Outcome;
use crate::output::Listing;

pub(crate) fn run(context: &Context, args: &ConfigArgs) -> Outcome {
    let ConfigAction::Show { origin } = args.action;
    let format = context.format("config show", Listing::FORMATS)?;
    let settings = [&context.settings.store, &context.settings.format, &context.settings.retention_setting()];
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
