//! What a rule does, with gaps that are filled from what has happened.

use std::collections::BTreeMap;
use std::time::Duration;

use factlog::{Error, Json, NewEvent, Result, Scope};
use serde::Deserialize;
use serde_json::Value;

use super::super::firing::{Act, Firing};
use super::super::template::Template;
use super::super::{Command, Webhook, length};
use crate::bus::{Address, Body, Message, REQUEST_TIMEOUT, Request};

/// One thing that a rule does.
#[derive(Debug)]
pub(super) enum Deed {
    Append(Filled<Append>),
    Message(Filled<Words>),
    Request(Filled<Asked>),
    Webhook(Filled<Hook>),
    Command(Filled<Program>),
}

/// A form whose values have gaps.
#[derive(Debug)]
pub(super) struct Filled<F> {
    template: Template,
    form: std::marker::PhantomData<F>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Append {
    stream: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(default)]
    data: Option<Value>,
    source: Option<String>,
    #[serde(default)]
    targets: Vec<String>,
    correlation: Option<String>,
    session: Option<String>,
    priority: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    to: String,
    content: Value,
    from: Option<String>,
    priority: Option<String>,
    #[serde(default, deserialize_with = "length")]
    ttl: Option<Duration>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    to: String,
    method: String,
    params: Option<Value>,
    from: Option<String>,
    #[serde(default, deserialize_with = "length")]
    timeout: Option<Duration>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hook {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    secret_env: Option<String>,
    #[serde(default, deserialize_with = "length")]
    timeout: Option<Duration>,
    #[serde(default)]
    allow_private: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    run: Vec<String>,
    folder: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "length")]
    timeout: Option<Duration>,
}

impl<F: for<'de> Deserialize<'de>> Filled<F> {
    /// Reads a form. Its fields are known when it is read, whatever stands in its gaps.
    fn of(value: &Value) -> Result<Self> {
        let _known: F = form(value.clone())?;
        Ok(Self { template: Template::of(value)?, form: std::marker::PhantomData })
    }

    /// What it says where nothing is left to be filled.
    fn fixed(&self) -> Result<Option<F>> {
        if self.template.has_gaps() { Ok(None) } else { self.fill(&Scope::new()).map(Some) }
    }

    fn fill(&self, scope: &Scope) -> Result<F> {
        form(texts(self.template.fill(scope)?))
    }
}

fn form<F: for<'de> Deserialize<'de>>(value: Value) -> Result<F> {
    serde_json::from_value(value).map_err(|cause| Error::invalid(cause.to_string()))
}

/// Fields whose values are texts, or lists of them, take numbers from gaps as well.
fn texts(value: Value) -> Value {
    let word = |value: Value| match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Bool(value) => Value::String(value.to_string()),
        other => other,
    };
    let Value::Object(fields) = value else { return value };
    let of = |(name, value): (String, Value)| {
        let value = match (name.as_str(), value) {
            ("data" | "content" | "params" | "body" | "allow_private", value) => value,
            (_, Value::Array(items)) => Value::Array(items.into_iter().map(word).collect()),
            (_, Value::Object(inner)) => {
                Value::Object(inner.into_iter().map(|(name, value)| (name, word(value))).collect())
            }
            (_, value) => word(value),
        };
        (name, value)
    };
    Value::Object(fields.into_iter().map(of).collect())
}

impl Deed {
    /// Reads one.
    ///
    /// # Errors
    /// `Invalid` for none or several in one, and for fields that it does not have.
    pub(super) fn of(written: BTreeMap<String, Value>) -> Result<Self> {
        let mut entries = written.into_iter();
        let (Some((kind, value)), None) = (entries.next(), entries.next()) else {
            return Err(Error::invalid(
                "each part of `then` is one of append, message, request, webhook and command",
            ));
        };
        let deed = match kind.as_str() {
            "append" => Filled::of(&value).map(Self::Append),
            "message" => Filled::of(&value).map(Self::Message),
            "request" => Filled::of(&value).map(Self::Request),
            "webhook" => Filled::of(&value).map(Self::Webhook),
            "command" => Filled::of(&value).map(Self::Command),
            other => Err(Error::invalid(format!("{other:?} is nothing that a policy does"))
                .with_hint("it is append, message, request, webhook or command")),
        };
        let deed = deed.and_then(Self::checked);
        deed.map_err(|error| error.context(kind))
    }

    /// Refuses what can never be done, as far as that is known before anything has happened.
    fn checked(self) -> Result<Self> {
        match &self {
            Self::Append(form) => form.fixed()?.map(append).transpose().map(drop)?,
            Self::Command(form) => form.fixed()?.map(command).transpose().map(drop)?,
            Self::Webhook(form) => {
                // The secret may be there when it is run.
                let hook = form.fixed()?.map(|form| Hook { secret_env: None, ..form });
                hook.map(webhook).transpose().map(drop)?;
            }
            Self::Message(form) => {
                form.fixed()?.map(|form| form.to.parse::<Address>()).transpose().map(drop)?;
            }
            Self::Request(form) => {
                form.fixed()?.map(|form| form.to.parse::<Address>()).transpose().map(drop)?;
            }
        }
        Ok(self)
    }

    /// A name that one of its gaps speaks of and that is none of these.
    pub(super) fn unknown_name(&self, known: &[&str]) -> Option<String> {
        match self {
            Self::Append(form) => form.template.unknown_name(known),
            Self::Message(form) => form.template.unknown_name(known),
            Self::Request(form) => form.template.unknown_name(known),
            Self::Webhook(form) => form.template.unknown_name(known),
            Self::Command(form) => form.template.unknown_name(known),
        }
    }

    /// Whether nothing but the log is touched by it.
    pub(super) fn is_in_log(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Message(_))
    }

    /// What is to be done about a firing.
    pub(super) fn act(&self, firing: &Firing, scope: &Scope) -> Result<Act> {
        match self {
            Self::Append(form) => append(form.fill(scope)?),
            Self::Message(form) => message(form.fill(scope)?, firing),
            Self::Request(form) => request(form.fill(scope)?, firing),
            Self::Webhook(form) => webhook(form.fill(scope)?),
            Self::Command(form) => command(form.fill(scope)?),
        }
    }
}

fn append(form: Append) -> Result<Act> {
    let data = form.data.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let mut event = NewEvent::new(&form.stream, &form.event_type, data)?;
    if let Some(source) = form.source {
        event = event.with_source(&source)?;
    }
    for target in form.targets {
        event = event.with_target(&target)?;
    }
    for tag in form.tags {
        event = event.with_tag(&tag)?;
    }
    event.correlation_id = form.correlation.as_deref().map(str::parse).transpose()?;
    event.session_id = form.session.as_deref().map(str::parse).transpose()?;
    event.priority = form.priority.as_deref().map(str::parse).transpose()?;
    Ok(Act::Append(Box::new(event)))
}

fn message(form: Words, firing: &Firing) -> Result<Act> {
    let content_type = if form.content.is_string() { "text" } else { "json" };
    let body = Body::Words {
        content: Json::of(&form.content)?,
        content_type: Some(content_type.to_owned()),
        reply_to: None,
    };
    let from = form.from.unwrap_or_else(|| firing.source());
    let mut message = Message::new(from, form.to.parse()?, body);
    message.ttl = form.ttl;
    if let Some(priority) = form.priority {
        message.priority = priority.parse()?;
    }
    Ok(Act::Send(Box::new(message)))
}

fn request(form: Asked, firing: &Firing) -> Result<Act> {
    let from = form.from.unwrap_or_else(|| firing.source());
    let mut request =
        Request::new(from, form.to.parse()?, form.method).timeout(form.timeout.unwrap_or(REQUEST_TIMEOUT));
    if let Some(params) = form.params {
        request = request.params(&params)?;
    }
    Ok(Act::Request(Box::new(request)))
}

fn webhook(form: Hook) -> Result<Act> {
    let mut webhook = Webhook::new(&form.url)?;
    if let Some(method) = form.method {
        webhook = webhook.method(&method)?;
    }
    for (name, value) in form.headers {
        webhook = webhook.header(&name, &value)?;
    }
    if let Some(timeout) = form.timeout {
        webhook = webhook.timeout(timeout)?;
    }
    if let Some(name) = form.secret_env {
        let secret = std::env::var(&name).map_err(|_| {
            Error::unavailable(format!("the secret of the webhook is to be in {name}, which is not set"))
        })?;
        webhook = webhook.secret(&secret)?;
    }
    if form.allow_private {
        webhook = webhook.allow_private();
    }
    let body = form.body.as_ref().map(Json::of).transpose()?;
    Ok(Act::Webhook { webhook: Box::new(webhook), body })
}

fn command(form: Program) -> Result<Act> {
    let mut words = form.run.into_iter();
    let program =
        words.next().ok_or_else(|| Error::invalid("`run` is empty; it is a program and its arguments"))?;
    let mut command = Command::new(&program, words)?;
    if let Some(folder) = form.folder {
        command = command.folder(folder);
    }
    for (name, value) in form.environment {
        command = command.variable(&name, &value)?;
    }
    if let Some(timeout) = form.timeout {
        command = command.timeout(timeout)?;
    }
    Ok(Act::Run(Box::new(command)))
}
