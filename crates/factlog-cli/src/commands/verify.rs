//! `factlog verify`: the log beside another.

use factlog_adapters::copy::{self, Compared, Verdict};
use factlog_stores::Open;

use super::Context;
use super::check::pair;
use super::copy::far;
use crate::cli::VerifyArgs;
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Counting, Listing};

pub(crate) async fn run(context: &Context, args: &VerifyArgs) -> Outcome {
    let format = context.format("verify", Listing::FORMATS)?;
    let here = context.inspect().await?;
    let there = context.open_other(&args.against, Open::Inspect).await?;
    let counting = Counting::new();
    let compared = copy::verify(&here, &there, &mut |progress| counting.say(far(progress))).await;
    drop(counting);
    let compared = compared?;
    here.close().await?;
    there.close().await?;
    listing(&compared)?.print(format)?;
    if compared.result == Verdict::Equal { Ok(()) } else { Err(Failure::Told(exit::CONFLICT)) }
}

fn listing(compared: &Compared) -> Outcome<Listing> {
    let mut rows = vec![
        pair("events here", &compared.here),
        pair("events there", &compared.there),
        pair("alike", &compared.alike),
    ];
    let differences = compared.differences.iter();
    rows.extend(differences.map(|found| pair("DIFFERENT", &format!("position {}: {found}", found.position))));
    let more = compared.different - compared.differences.len() as u64;
    if more > 0 {
        rows.push(pair("DIFFERENT", &format!("and {more} more")));
    }
    rows.push(pair("result", &said(compared)));
    Ok(super::check::listing(rows, serde_json::to_value(compared)?))
}

/// What it comes to, in words.
fn said(compared: &Compared) -> String {
    let ends = |which: &str, other: u64| {
        let more = other - compared.alike;
        format!("{which} ends earlier: it is the same up to its end, and the other has {more} more")
    };
    match compared.result {
        Verdict::Equal => "both are the same".to_owned(),
        Verdict::HereEndsEarlier => ends("this log", compared.there),
        Verdict::ThereEndsEarlier => ends("the other log", compared.here),
        Verdict::Different => format!("{} differences", compared.different),
    }
}
