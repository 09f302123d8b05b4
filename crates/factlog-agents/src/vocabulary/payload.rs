//! What a payload is, and the macro that makes one: a struct, its constructor, its reading and its words.

use std::fmt::Debug;

use factlog::{Error, EventType, Json, NewEvent, Result, StreamName, Text};
use schemars::{JsonSchema, Schema};
use serde::Serialize;

/// One of the four systems whose words factlog unites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Origin {
    /// The ADR-007 event store.
    A,
    /// The PostgreSQL event log of phase 1.3.
    B,
    /// Scopecraft's event sourcing.
    C,
    /// The inter-agent event store and bus.
    D,
}

/// The data of one type of event.
pub trait EventPayload: Debug + Clone + Default + PartialEq + Serialize + JsonSchema {
    /// The type.
    const TYPE: &'static str;
    /// The category of its streams.
    const CATEGORY: &'static str;
    /// What happened, in a sentence.
    const ABOUT: &'static str;
    /// Which origins know it, and the words they have for it beside the usual spellings.
    const ORIGINS: &'static [(Origin, &'static [&'static str])];
    /// Fields with the words that origins had for them.
    const WAS: &'static [(&'static str, &'static [&'static str])];

    /// What its stream is named for, as far as the data says it.
    fn id(&self) -> &str;

    /// Takes the id that the stream's name tells, where the data has none.
    fn fill_id(&mut self, id: &str);

    /// Reads data of whatever age; what cannot be understood counts as absent.
    fn read(data: &str) -> Self;
}

/// The schema of a payload.
pub(crate) fn schema_of<P: EventPayload>() -> Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<P>()
}

/// The event that a payload becomes.
pub(crate) fn event_of<P: EventPayload>(payload: &P) -> Result<NewEvent> {
    let data = Json::of(payload)?;
    let category = P::CATEGORY;
    let mut event = NewEvent::of(stream_of(category, payload.id())?, EventType::trusted(P::TYPE), data);
    if payload.id().is_empty() && category != "system" {
        event.stream = StreamName::new(format!("{category}-{}", event.id))?;
    }
    if category == "session" && !payload.id().is_empty() {
        event.session_id = Some(Text::new(payload.id())?);
    }
    Ok(event)
}

/// The stream of a thing: its category and its id, unchanged.
///
/// ```
/// assert_eq!(factlog_agents::stream_of("agent", "agent-1")?, "agent-agent-1");
/// # Ok::<(), factlog::Error>(())
/// ```
///
/// # Errors
/// `Invalid` when the id cannot be part of a name.
pub fn stream_of(category: &str, id: &str) -> Result<StreamName> {
    let id = if id.is_empty() { "log" } else { id };
    StreamName::new(format!("{category}-{id}"))
        .map_err(|error: Error| error.context(format!("the {category}'s id")))
}

/// What can name a stream.
pub(crate) trait StreamId {
    fn text(&self) -> &str;
    fn fill(&mut self, id: &str);
}

impl StreamId for String {
    fn text(&self) -> &str {
        self
    }

    fn fill(&mut self, id: &str) {
        id.clone_into(self);
    }
}

impl StreamId for Option<String> {
    fn text(&self) -> &str {
        self.as_deref().unwrap_or_default()
    }

    fn fill(&mut self, id: &str) {
        *self = Some(id.to_owned());
    }
}

impl StreamId for Vec<String> {
    fn text(&self) -> &str {
        self.first().map_or("", String::as_str)
    }

    fn fill(&mut self, id: &str) {
        self.push(id.to_owned());
    }
}

/// Makes payloads: `Name = "type", of "category" by field;`, the origins that know it, the fields it needs and those it
/// takes, each with the words that origins had for it.
macro_rules! payloads {
    ($(
        $(#[doc = $about:literal])+
        $name:ident = $type:literal, of $category:literal by $id:ident;
        from $($origin:ident $(($($word:literal),+))?)*;
        $(needs { $($need:ident $(($($need_was:literal),+))? : $need_type:ty),+ $(,)? })?
        $(takes { $($take:ident $(($($take_was:literal),+))? : $take_type:ty),+ $(,)? })?
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase")]
        #[allow(missing_docs, reason = "a field means the same in every payload: see `vocabulary/meaning.rs`")]
        pub struct $name {
            $($(pub $need: $need_type,)+)?
            $($(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $take: Option<$take_type>,
            )+)?
        }

        impl $name {
            /// With all that it needs.
            #[allow(clippy::new_without_default, reason = "what it needs has no default")]
            #[allow(clippy::needless_update, reason = "some take nothing besides")]
            pub fn new($($($need: impl $crate::vocabulary::IntoField<$need_type>),+)?) -> Self {
                Self { $($($need: $need.into_field(),)+)? ..Self::default() }
            }

            $($(
                #[doc = concat!("Sets `", stringify!($take), "`.")]
                #[must_use]
                pub fn $take(mut self, $take: impl $crate::vocabulary::IntoField<$take_type>) -> Self {
                    self.$take = Some($take.into_field());
                    self
                }
            )+)?
        }

        impl $crate::vocabulary::EventPayload for $name {
            const TYPE: &'static str = $type;
            const CATEGORY: &'static str = $category;
            const ABOUT: &'static str = concat!($($about, "\n"),+);
            const ORIGINS: &'static [($crate::vocabulary::Origin, &'static [&'static str])] =
                &[$(($crate::vocabulary::Origin::$origin, &[$($($word),+)?])),*];
            const WAS: &'static [(&'static str, &'static [&'static str])] = &[
                $($((stringify!($need), &[$($($need_was),+)?]),)+)?
                $($((stringify!($take), &[$($($take_was),+)?]),)+)?
            ];

            fn id(&self) -> &str {
                $crate::vocabulary::payload::StreamId::text(&self.$id)
            }

            fn fill_id(&mut self, id: &str) {
                $crate::vocabulary::payload::StreamId::fill(&mut self.$id, id);
            }

            fn read(data: &str) -> Self {
                let mut payload = Self::default();
                $crate::vocabulary::payload::each_field(data, |key, raw| {
                    use $crate::vocabulary::read::{FieldValue, Named, named};
                    $($(
                        if let Some(how) = named(key, stringify!($need), &[$($($need_was),+)?]) {
                            let is_wanted = how == Named::Now || payload.$need == <$need_type>::default();
                            if let Some(value) = <$need_type as FieldValue>::read(raw).filter(|_| is_wanted) {
                                payload.$need = value;
                            }
                            return;
                        }
                    )+)?
                    $($(
                        if let Some(how) = named(key, stringify!($take), &[$($($take_was),+)?]) {
                            if how == Named::Now || payload.$take.is_none() {
                                payload.$take = <$take_type as FieldValue>::read(raw).or(payload.$take.take());
                            }
                        }
                        else
                    )+)? {}
                });
                payload
            }
        }

        impl factlog::TypedEvent for $name {
            fn into_event(self) -> factlog::Result<factlog::NewEvent> {
                $crate::vocabulary::payload::event_of(&self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let data = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
                Ok(<Self as $crate::vocabulary::EventPayload>::read(data.get()))
            }
        }
    )+};
}

pub(crate) use payloads;

/// Shows each field of an object; anything else has none.
pub(crate) fn each_field<'d>(data: &'d str, mut take: impl FnMut(&str, &'d serde_json::value::RawValue)) {
    use std::borrow::Cow;

    use serde::de::{MapAccess, Visitor};
    use serde::{Deserialize, Deserializer};
    use serde_json::value::RawValue;

    #[derive(Deserialize)]
    struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
    struct Fields<F>(F);
    impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Fields<&mut F> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Key<'de>>()? {
                (self.0)(&key.0, map.next_value::<&'de RawValue>()?);
            }
            Ok(())
        }
    }
    // An object that is broken off in the middle cannot be in a log; what is no object has no fields.
    let _ = serde_json::Deserializer::from_str(data).deserialize_map(Fields(&mut take));
}
