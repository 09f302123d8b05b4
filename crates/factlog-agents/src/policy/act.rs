//! Acts done: each under its id, so that doing it again changes nothing where the log alone is touched.

use std::time::Duration;

use factlog::{Batch, Error, ErrorKind, EventId, EventLog, Filter, NewEvent, Result, TypedEvent};
use serde_json::{Value, json};

use super::Policy;
use super::firing::{Act, Firing};
use crate::bus::shortened;
use crate::vocabulary::PolicyFired;

/// Why a firing did not come to its end.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) why: String,
    /// Whether it may succeed later.
    pub(super) is_retryable: bool,
    /// How long it is to be left alone.
    pub(super) pause: Option<Duration>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let is_retryable =
            !matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Conflict);
        Self { why: error.to_string(), is_retryable, pause: None }
    }
}

/// Acts on what has happened, and records that it has: the last events that a policy appends and the record of it are one batch.
pub(super) async fn perform(policy: &dyn Policy, firing: &mut Firing) -> Result<(), Failed> {
    if firing.acts().is_empty() {
        policy.act(firing).await?;
    }
    let acts = firing.take_acts();
    let words: Vec<String> = acts.iter().map(Act::words).collect();
    let mut results = Vec::new();
    let mut unrecorded: Vec<NewEvent> = Vec::new();
    for (place, act) in acts.into_iter().enumerate() {
        let id = firing.id_of(place)?;
        if let Act::Append(event) = act {
            unrecorded.push(firing.finished(*event, id)?);
            continue;
        }
        // What comes before it in the rule is there before it is done.
        append_once(firing.log(), std::mem::take(&mut unrecorded)).await?;
        results.push(one(firing, act, id).await?);
    }
    unrecorded.push(fired(firing, words, &results)?);
    append_once(firing.log(), unrecorded).await?;
    Ok(())
}

fn fired(firing: &Firing, acts: Vec<String>, results: &[Value]) -> Result<NewEvent> {
    let (_, ids) = firing.told();
    let mut fired = PolicyFired::new(firing.policy(), firing.id().to_string())
        .events(ids)
        .triggered_at(firing.triggered_at())
        .attempt(firing.attempt())
        .acts(acts);
    fired.key = firing.key().map(str::to_owned);
    if !results.is_empty() {
        fired = fired.results(json!(results));
    }
    firing.finished(fired.into_event()?, firing.id_of("fired")?)
}

/// Does one thing that is no event, and says what came of it.
async fn one(firing: &Firing, act: Act, id: EventId) -> Result<Value, Failed> {
    let trigger = firing.event();
    let correlation = || trigger.correlation_id.as_ref().map(ToString::to_string);
    match act {
        Act::Append(_) => Ok(Value::Null),
        Act::Send(mut message) => {
            message.id = Some(id.to_string());
            message.causation = message.causation.or(Some(trigger.id));
            message.correlation = message.correlation.or_else(correlation);
            message.hops = message.hops.max(firing.depth());
            let sent = firing.bus().send(*message).await;
            Ok(json!({"messageId": sent?.message_id}))
        }
        Act::Request(mut request) => {
            request.id = Some(id.to_string());
            request.because = request.because.or(Some((trigger.id, firing.depth())));
            let answer = firing.bus().request(&request).await?;
            match answer.outcome {
                Ok(result) => Ok(json!({"requestId": id, "from": answer.from, "result": result})),
                // It was asked under this id, and that is the answer.
                Err(error) => Err(Failed {
                    why: format!("{} answers {}: {}", answer.from, error.code, shortened(&error.message)),
                    is_retryable: false,
                    pause: None,
                }),
            }
        }
        Act::Webhook { webhook, body } => {
            let body = body.map_or_else(|| firing.to_value().to_string(), |body| body.to_string());
            match webhook.deliver(&id.to_string(), body.as_bytes()).await {
                Ok(delivered) => Ok(json!({"key": id, "status": delivered.status})),
                Err(error) => Err(Failed {
                    why: error.message,
                    is_retryable: error.retryable,
                    pause: error.retry_after,
                }),
            }
        }
        Act::Run(command) => {
            let input = firing.to_value().to_string();
            match command.run(&id.to_string(), input.as_bytes()).await {
                Ok(ran) => Ok(json!({"key": id, "code": ran.code})),
                Err(error) => Err(Failed { why: error.message, is_retryable: error.retryable, pause: None }),
            }
        }
    }
}

/// Appends events whose ids follow from what they are: those that are there already are left as they are.
pub(super) async fn append_once(log: &EventLog, mut events: Vec<NewEvent>) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    match log.append(Batch::new(events.clone())?).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let known = log.read(Filter::ids(events.iter().map(|event| event.id))).collect().await?;
            events.retain(|event| known.iter().all(|known| known.id != event.id));
            match (known.is_empty(), events.is_empty()) {
                (true, _) => Err(error),
                (false, true) => Ok(()),
                (false, false) => log.append(Batch::new(events)?).await.map(drop),
            }
        }
        appended => appended.map(drop),
    }
}
