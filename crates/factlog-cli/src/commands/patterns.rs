//! `factlog patterns`: what comes again and again, and what comes before things go wrong.

use factlog_agents::frequent::{Frequent, FrequentOptions, OutcomeSigns, Sequence, Sign, frequent};

use super::finding::{activities, heading, many, note_left_out, percent, plain, say};
use super::flow::listing;
use super::{Context, note_removed};
use crate::cli::PatternsArgs;
use crate::failure::Outcome;
use crate::filter_args::under_all_names;
use crate::flag;
use crate::output::{Format, Listing, note};

/// Chances below this are all the same to a reader.
const CHANCE_SHOWN_MIN: f64 = 0.001;

pub(crate) async fn run(context: &Context, args: &PatternsArgs) -> Outcome {
    let mut options = FrequentOptions {
        cases: args.cases.options()?,
        support_min: args.min_support.max(1),
        sequences_max: args.top,
        ..FrequentOptions::default()
    };
    if !args.outcome.is_empty() {
        options.outcomes = under_all_names(&flag::all("--outcome", &args.outcome)?);
    }
    let selection = args.cases.selection(&args.filter)?;
    let format = context.format("patterns", Listing::FORMATS)?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let frequent = frequent(selection.read(&log), options).await?;
    args.cases.note_without(frequent.events_without_case, frequent.events + frequent.events_without_case);
    note_left_out(&frequent.left_out);
    if format == Format::Table {
        table(&frequent, args.top)?;
    } else {
        let rows: Vec<&Sign> = frequent.outcome.signs.iter().collect();
        Listing { json: serde_json::to_value(&frequent)?, ..signs(&rows) }.print(format)?;
    }
    Ok(log.close().await?)
}

fn table(frequent: &Frequent, top: usize) -> Outcome {
    if frequent.cases == 0 {
        note("no events of any case");
        return Ok(());
    }
    let cases = many(frequent.cases, "case", "cases");
    say(&format!("{} in {cases} by {}", many(frequent.events, "event", "events"), frequent.by))?;
    let least = many(frequent.support_min, "case", "cases");
    if frequent.sequences.is_empty() && frequent.gapped.is_empty() {
        heading(&format!("No sequence is in {least} or more; --min-support takes fewer."))?;
    }
    if !frequent.sequences.is_empty() {
        heading(&format!("DIRECTLY AFTER EACH OTHER, in {least} or more"))?;
        sequences(&frequent.sequences).print(Format::Table)?;
    }
    if !frequent.gapped.is_empty() {
        heading(&format!("SOONER OR LATER AFTER EACH OTHER, in {least} or more"))?;
        sequences(&frequent.gapped).print(Format::Table)?;
    }
    outcome(&frequent.outcome, frequent, top)
}

fn outcome(outcome: &OutcomeSigns, frequent: &Frequent, top: usize) -> Outcome {
    heading("BEFORE THINGS GO WRONG, or what --outcome says")?;
    let types: Vec<String> =
        outcome.types.iter().map(|(name, count)| format!("{} {count}", plain(name))).collect();
    if !types.is_empty() {
        say(&format!(
            " {} of {} have the outcome, {}: {}",
            outcome.cases,
            many(frequent.cases, "case", "cases"),
            percent(outcome.base_rate.unwrap_or(0.0)),
            types.join(", ")
        ))?;
    }
    if let Some(why) = &outcome.too_little {
        return say(&format!(" There is too little to say something of: {why}."));
    }
    let oftener: Vec<&Sign> = outcome.signs.iter().filter(|sign| sign.lift > 1.0).take(top).collect();
    let tested = many(outcome.signs.len() as u64, "activity", "activities");
    if oftener.is_empty() {
        return say(&format!(" Of {tested} in enough cases, the outcome is commoner after none."));
    }
    signs(&oftener).print(Format::Table)?;
    say(&format!(
        " CHANCE: to see this or more where there is no connection, for {tested} looked at; {} in too few cases.\n \
         A sign is no cause: what comes before a failure need not bring it about.",
        many(outcome.untested, "other is", "others are")
    ))
}

fn sequences(found: &[Sequence]) -> Listing {
    let rows = found.iter().map(|sequence| {
        let times = sequence.times.map(|times| times.to_string()).unwrap_or_default();
        vec![sequence.cases.to_string(), percent(sequence.share), times, activities(&sequence.activities)]
    });
    let has_times = found.iter().any(|sequence| sequence.times.is_some());
    let mut rows: Vec<Vec<String>> = rows.collect();
    if has_times {
        return listing(&["CASES", "SHARE", "TIMES", "SEQUENCE"], rows, 0..3);
    }
    rows.iter_mut().for_each(|row| drop(row.remove(2)));
    listing(&["CASES", "SHARE", "SEQUENCE"], rows, 0..2)
}

fn signs(signs: &[&Sign]) -> Listing {
    let chance = |p: f64| if p < CHANCE_SHOWN_MIN { "< 0.001".to_owned() } else { format!("{p:.3}") };
    let rows = signs.iter().map(|sign| {
        vec![
            plain(&sign.activity),
            sign.cases.to_string(),
            sign.with_outcome.to_string(),
            percent(sign.confidence),
            format!("{:.2}", sign.lift),
            chance(sign.p_value_adjusted),
            sign.verdict.as_str().to_owned(),
        ]
    });
    listing(&["AFTER", "CASES", "OUTCOME", "SHARE", "LIFT", "CHANCE", "SO IT IS"], rows.collect(), 1..6)
}
