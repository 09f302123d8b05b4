//! A row as it lies in a page of a database (<https://www.sqlite.org/fileformat.html>).

use rusqlite::types::Value;

use super::record::RECORD_BYTES_MAX;
use super::row::COLUMNS;
use super::salvage::HEADER_BYTES;

/// The mark of a page that holds rows of a table.
const LEAF: u8 = 0x0d;
/// Bytes at the beginning of such a page; the places of its cells follow, in two bytes each.
const LEAF_HEADER_BYTES: usize = 8;
/// The bytes of the longest number of variable length.
const VARINT_BYTES_MAX: usize = 9;

/// How many texts an event begins with.
const TEXTS: usize = 4;

/// What a cell says of the values behind it.
pub(super) struct Cell {
    /// The number of its row.
    pub(super) rowid: i64,
    /// The kinds of its values.
    pub(super) kinds: Vec<u64>,
    /// Where the values begin in the record.
    pub(super) values_at: usize,
    /// How long the record is.
    pub(super) bytes: usize,
    /// Where it begins in the page, and how much of it is there.
    pub(super) at: usize,
    pub(super) local: usize,
}

impl Cell {
    /// The cell at a place of a page; none where no row can be made out.
    pub(super) fn read(page: &[u8], place: usize, usable: usize) -> Option<Self> {
        let mut at = place;
        let bytes =
            usize::try_from(varint(page, &mut at)?).ok().filter(|bytes| *bytes <= RECORD_BYTES_MAX)?;
        let rowid = varint(page, &mut at)?;
        let local = local(bytes, usable);
        let record = page.get(at..at + local)?;
        let mut values_at = 0;
        let end = usize::try_from(varint(record, &mut values_at)?).ok()?;
        let mut kinds = Vec::new();
        while values_at < end && kinds.len() < COLUMNS.len() {
            kinds.push(u64::try_from(varint(record, &mut values_at)?).ok()?);
        }
        let whole = kinds.iter().fold(end, |sum, kind| sum.saturating_add(value_bytes(*kind)));
        let is_row = values_at == end && whole == bytes;
        is_row.then_some(Self { rowid, kinds, values_at, bytes, at, local })
    }

    /// Whether it could be one of an event: as many values, the first of them texts.
    pub(super) fn is_event(&self) -> bool {
        self.kinds.len() == COLUMNS.len() && self.kinds[..TEXTS].iter().all(|kind| is_text(*kind))
    }

    /// The values of a whole record.
    pub(super) fn values(&self, record: &[u8]) -> Vec<Value> {
        let mut at = self.values_at;
        let value = |kind: &u64| {
            let end = at + value_bytes(*kind);
            let value = value(*kind, &record[at..end]);
            at = end;
            value
        };
        self.kinds.iter().map(value).collect()
    }
}

/// Where the cells of a leaf are; none for another page.
pub(super) fn cells(page: &[u8], number: u32) -> impl Iterator<Item = usize> {
    let begin = if number == 1 { HEADER_BYTES } else { 0 };
    let is_leaf = page[begin] == LEAF;
    let most = (page.len() - begin - LEAF_HEADER_BYTES) / 2;
    let count = if is_leaf { usize::from(two(page, begin + 3)).min(most) } else { 0 };
    (0..count).map(move |cell| usize::from(two(page, begin + LEAF_HEADER_BYTES + 2 * cell)))
}

/// How many bytes of a row lie in its page.
fn local(bytes: usize, usable: usize) -> usize {
    let most = usable - 35;
    if bytes <= most {
        return bytes;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let fitting = least + (bytes - least) % (usable - 4);
    if fitting <= most { fitting } else { least }
}

fn is_text(kind: u64) -> bool {
    kind >= 13 && kind % 2 == 1
}

fn value_bytes(kind: u64) -> usize {
    match kind {
        1..=4 => kind as usize,
        5 => 6,
        6 | 7 => 8,
        0 | 8..=11 => 0,
        long => usize::try_from((long - 12) / 2).unwrap_or(usize::MAX),
    }
}

fn value(kind: u64, bytes: &[u8]) -> Value {
    match kind {
        1..=6 => Value::Integer(number(bytes)),
        7 => Value::Real(f64::from_bits(number(bytes) as u64)),
        8 | 9 => Value::Integer((kind - 8) as i64),
        0 | 10 | 11 => Value::Null,
        text if is_text(text) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(bytes.to_vec()),
        },
        _ => Value::Blob(bytes.to_vec()),
    }
}

/// A number of a fixed length, the highest byte first.
fn number(bytes: &[u8]) -> i64 {
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(-i64::from(is_negative), |number, byte| number << 8 | i64::from(*byte))
}

/// A number of variable length: seven bits a byte, the highest first; the ninth has eight.
fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut number: u64 = 0;
    for count in 1..=VARINT_BYTES_MAX {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if count == VARINT_BYTES_MAX {
            return Some((number << 8 | u64::from(byte)) as i64);
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number as i64)
}

pub(super) fn two(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
}

pub(super) fn four(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}
