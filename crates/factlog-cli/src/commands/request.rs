//! `factlog request` and `factlog respond`: a question and its answer.

use std::io::Write;

use factlog::Error;
use factlog_agents::Bus;
use factlog_agents::bus::{Request, RequestError};
use serde_json::json;

use super::{Context, acting};
use crate::cli::{RequestArgs, RespondArgs};
use crate::failure::{Failure, Outcome, exit};
use crate::flag;
use crate::output::{Format, stdout};

pub(crate) async fn request(context: &Context, args: &RequestArgs) -> Outcome {
    let format = acting::format(context, "request")?;
    let to = args.to.parse().map_err(|error: Error| error.context("--to"))?;
    let timeout = acting::span("--timeout", &args.timeout)?;
    let mut request = Request::new(&args.from, to, &args.method).timeout(timeout);
    request.params = args.params.as_deref().map(|text| flag::json("PARAMS", text)).transpose()?;
    let log = context.open().await?;
    let answer = Bus::new(log.clone()).request(&request).await?;
    let (success, told) = match &answer.outcome {
        Ok(result) => (
            true,
            json!({"from": answer.from, "success": true, "result": result, "position": answer.position}),
        ),
        Err(error) => (
            false,
            json!({"from": answer.from, "success": false, "error": error, "position": answer.position}),
        ),
    };
    let mut out = stdout();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?,
        Format::Table => match &answer.outcome {
            Ok(result) => writeln!(out, "{}", result.as_str())?,
            Err(error) => writeln!(out, "{}: {}", error.code, error.message)?,
        },
        _ => writeln!(out, "{told}")?,
    }
    out.flush()?;
    log.close().await?;
    if success { Ok(()) } else { Err(Failure::Told(exit::FAILURE)) }
}

pub(crate) async fn respond(context: &Context, args: &RespondArgs) -> Outcome {
    let format = acting::format(context, "respond")?;
    let outcome = match &args.error {
        Some(message) => {
            Err(RequestError { code: args.code.clone(), message: message.clone(), details: None })
        }
        None => Ok(flag::json("RESULT", args.result.as_deref().unwrap_or("null"))?),
    };
    let log = context.open().await?;
    let bus = Bus::new(log.clone());
    // Whoever answers is done with the request; one that was asked by another way has it in no inbox.
    let counted = bus.respond_to(&args.request_id, &args.from, outcome).await?;
    let mut out = stdout();
    let told = json!({"requestId": args.request_id, "counted": counted});
    match format {
        Format::Table if counted => writeln!(out, "answered")?,
        Format::Table => writeln!(out, "recorded; it came too late to count")?,
        _ => writeln!(out, "{told}")?,
    }
    out.flush()?;
    Ok(log.close().await?)
}
