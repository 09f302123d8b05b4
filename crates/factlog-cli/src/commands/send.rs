//! `factlog send` and `factlog broadcast`: a message into inboxes.

use std::io::{Read, Write};

use factlog::{Error, Json, Result};
use factlog_agents::Bus;
use factlog_agents::bus::{Address, Audience, Body, Message, Sent, Traits};

use super::{Context, acting};
use crate::cli::{BroadcastArgs, SendArgs, SendHow};
use crate::failure::Outcome;
use crate::flag;
use crate::output::{Format, stdout};

pub(crate) async fn send(context: &Context, args: &SendArgs) -> Outcome {
    let format = acting::format(context, "send")?;
    let (content, content_type) = content(args.text.as_deref(), args.json.as_deref())?;
    let reply_to = args.how.in_reply_to.clone();
    let body = Body::Words { content, content_type: Some(content_type.to_owned()), reply_to };
    let to: Address = args.to.parse().map_err(|error: Error| error.context("--to"))?;
    post(context, Message::new(&args.from, to, body), &args.how, format).await
}

pub(crate) async fn broadcast(context: &Context, args: &BroadcastArgs) -> Outcome {
    let format = acting::format(context, "broadcast")?;
    let (content, _) = content(args.text.as_deref(), args.json.as_deref())?;
    let body = Body::Broadcast { topic: args.topic.clone(), content, retain: args.retain };
    let to = match &args.swarm {
        Some(swarm) => format!("group:{swarm}").parse().map_err(|error: Error| error.context("--swarm"))?,
        None => "*".parse()?,
    };
    let mut message = Message::new(&args.from, to, body);
    let traits = Traits {
        agent_types: args.agent_type.clone(),
        capabilities: args.capability.clone(),
        tags: args.tag.clone(),
    };
    if traits != Traits::default() {
        message.to = Audience::Custom(traits);
    }
    post(context, message, &args.how, format).await
}

async fn post(context: &Context, mut message: Message, how: &SendHow, format: Format) -> Outcome {
    if let Some(priority) = flag::one("--priority", how.priority.as_deref())? {
        message.priority = priority;
    }
    if let Some(ttl) = &how.ttl {
        message.ttl = Some(acting::span("--ttl", ttl)?);
    }
    message.id.clone_from(&how.id);
    message.correlation.clone_from(&how.correlation);
    let log = context.open_or_create().await?;
    let bus = Bus::new(log.clone());
    if let Some(answered) = &how.in_reply_to {
        let before = bus.message(answered).await.map_err(|error| error.context("--in-reply-to"))?;
        message.hops = before.hops + 1;
        message.causation = Some(before.event_id);
    }
    let sent = bus.send(message).await?;
    print(&sent, format)?;
    Ok(log.close().await?)
}

fn print(sent: &Sent, format: Format) -> Outcome {
    let mut out = stdout();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(sent)?)?,
        Format::Table => {
            let repeated = if sent.repeated { "  (was sent already)" } else { "" };
            let to = sent.recipients.join(", ");
            writeln!(out, "{}  stored at {} for {to}{repeated}", sent.message_id, sent.position)?;
        }
        _ => writeln!(out, "{}", serde_json::to_string(sent)?)?,
    }
    Ok(out.flush()?)
}

/// What a message says, from a text, standard input or JSON; and which of these it is.
fn content(text: Option<&str>, json: Option<&str>) -> Result<(Json, &'static str)> {
    if let Some(json) = json {
        return Ok((flag::json("--json", json)?, "json"));
    }
    match text {
        Some("-") => {
            let mut read = String::new();
            std::io::stdin()
                .read_to_string(&mut read)
                .map_err(|cause| Error::invalid(format!("standard input: {cause}")))?;
            Ok((Json::of(&read.trim_end_matches('\n'))?, "text"))
        }
        text => Ok((Json::of(&text.unwrap_or_default())?, "text")),
    }
}
