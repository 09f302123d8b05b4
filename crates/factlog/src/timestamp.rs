//! Moments, to the microsecond.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::shown;
use crate::{Error, Result};

/// A moment in UTC, in whole microseconds; its text always has six digits and a `Z`, so text order is time order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00Z.
const MICROS_MIN: i64 = -62_167_219_200_000_000;
/// 9999-12-30T22:00:00Z: the last moment that every time zone can show.
const MICROS_MAX: i64 = 253_402_207_200_000_000;

impl Timestamp {
    /// Now, by this machine's clock.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// Microseconds since 1970.
    ///
    /// # Errors
    /// `Invalid` outside the years 0000 to 9999.
    pub fn from_micros(micros: i64) -> Result<Self> {
        if (MICROS_MIN..=MICROS_MAX).contains(&micros) {
            return Ok(Self(micros));
        }
        Err(Error::invalid(format!(
            "a time of {micros} microseconds since 1970 is outside the years 0000 to 9999"
        )))
    }

    /// Microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment so many milliseconds later; the last one there is, where that is no more.
    #[must_use]
    pub fn plus_ms(self, milliseconds: u64) -> Self {
        let micros = i64::try_from(milliseconds).unwrap_or(i64::MAX).saturating_mul(1_000);
        Self(self.0.saturating_add(micros).min(MICROS_MAX))
    }

    /// A moment of the library that people's times are read with.
    pub fn from_jiff(time: jiff::Timestamp) -> Result<Self> {
        // Finer times are cut towards the past, also before 1970.
        let micros = time.as_nanosecond().div_euclid(1_000);
        Self::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// The same moment for the library that people's times are shown with.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339 with an offset; finer digits than microseconds are cut.
    fn from_str(text: &str) -> Result<Self> {
        let time = text.parse::<jiff::Timestamp>().map_err(|cause| {
            Error::invalid(format!("{} is not a time", shown(text)))
                .with_hint("write it as 2026-11-20T23:44:30Z")
                .with_cause(cause)
        })?;
        Self::from_jiff(time)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).datetime();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.subsec_nanosecond() / 1_000
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text order must be time order, so every time is written alike, whatever the source wrote.
    #[test]
    fn every_time_has_six_digits_and_z() {
        for (given, written) in [
            ("2026-11-20T23:44:30Z", "2026-11-20T23:44:30.000000Z"),
            ("2026-11-21T00:44:30.5+01:00", "2026-11-20T23:44:30.500000Z"),
            ("2026-11-20T23:44:30.123456999Z", "2026-11-20T23:44:30.123456Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(given.parse::<Timestamp>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_time_or_has_no_year_of_four_digits_is_refused() {
        for text in ["", "yesterday", "2026-11-20", "2026-11-20T23:44:30", "-000001-01-01T00:00:00Z"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
