//! `factlog watch`: what agents write is in the log a moment later.

use factlog_adapters::claude_code;
use factlog_adapters::detect::Kind;

use super::{Context, import, until_interrupted};
use crate::cli::{WatchArgs, WatchWhat};
use crate::failure::Outcome;
use crate::output::note;

pub(crate) async fn run(context: &Context, args: WatchArgs) -> Outcome {
    let WatchWhat::ClaudeCode { paths, with_progress, no_redact } = args.what;
    let roots = import::or_default(paths, Kind::ClaudeCode)?;
    import::must_exist(&roots)?;
    let redactor = if no_redact { None } else { Some(import::redactor(context)?) };
    let log = context.open_or_create().await?;
    for root in &roots {
        note(format_args!("watching {}; Ctrl-C ends it", root.display()));
    }
    let options = claude_code::Options { with_progress };
    let mut told = |done: Result<&factlog_adapters::Imported, &factlog::Error>| match done {
        Ok(imported) => {
            tracing::info!("appended {}, known {}", imported.appended, imported.duplicates);
            for rejected in &imported.rejected {
                note(format_args!("{}:{}: {}", rejected.file, rejected.line, rejected.reason));
            }
        }
        Err(error) => note(format_args!("note: {error}; it is tried again")),
    };
    let watched = claude_code::watch(&log, &roots, options, redactor.as_ref(), &mut told);
    until_interrupted(async { Ok(watched.await?) }).await?;
    Ok(log.close().await?)
}
