//! The log `.rvf`: the letters `RVFL`, then records of a length, big-endian in four bytes, and JSON of that length.
//!
//! Its writer does not cut off half a record before it appends, and a length that is damaged hides all behind it. So the
//! next record is looked for at each place where one could begin: a length within the file, and behind it JSON of that
//! length with what every record has. Lengths have bytes that JSON has not, so no record is found inside another. JSON
//! that is whole behind a damaged length is taken too.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use serde_json::value::RawValue;

use super::Fields;
use super::record::{RECORD_BYTES_MAX, Record};
use crate::fields;

/// How a log begins.
pub(super) const MAGIC: &[u8] = b"RVFL";
/// Bytes of a length.
const LENGTH_BYTES: u64 = 4;
/// Bytes of a length and the brace behind it.
const FRAME_BYTES: usize = LENGTH_BYTES as usize + 1;
/// The greatest first byte of a length that is allowed.
const LENGTH_FIRST_BYTE_MAX: u8 = (RECORD_BYTES_MAX >> 24) as u8;
/// Bytes that are looked through at once for the next record.
const LOOK_BYTES: usize = 64 * 1024;

/// The records of a log, in their order.
pub(super) struct Log {
    file: BufReader<File>,
    bytes: u64,
    at: u64,
    has_begun: bool,
    /// A record that comes behind what was wrong with it.
    waiting: Option<Record>,
}

/// What stands at a place of the file.
enum Found {
    /// A record, and where it ends.
    Whole(String, u64),
    /// A record whose length is wrong, and where it ends.
    WrongLength(String, u64),
    /// What is wrong, and where the next record would begin if the length can be believed.
    Damage(String, Option<u64>),
}

impl Iterator for Log {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.waiting.take() {
            return Some(Ok(record));
        }
        if !self.has_begun {
            self.has_begun = true;
            match self.begin() {
                Ok(None) => {}
                damage => return damage.transpose(),
            }
        }
        (self.at < self.bytes).then(|| self.record())
    }
}

impl Log {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let file = BufReader::with_capacity(LOOK_BYTES, file);
        Ok(Self { file, bytes, at: 0, has_begun: false, waiting: None })
    }

    /// Reads the beginning of the file; what is wrong with it.
    fn begin(&mut self) -> io::Result<Option<Record>> {
        if self.bytes == 0 {
            return Ok(Some(Record::damage("byte 0", "the file is empty; a log begins with RVFL")));
        }
        let mut head = Vec::new();
        self.file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head)?;
        if head == MAGIC {
            self.at = MAGIC.len() as u64;
            return Ok(None);
        }
        self.at = self.search(0)?;
        Ok(Some(Record::damage(range(0, self.at), "the file does not begin with RVFL, as a log does")))
    }

    /// The next record, or what is wrong in its place.
    fn record(&mut self) -> io::Result<Record> {
        let start = self.at;
        match self.look(start)? {
            Found::Whole(json, end) => {
                self.at = end;
                Ok(Record::new(format!("byte {start}"), json))
            }
            Found::WrongLength(json, end) => {
                self.at = end;
                self.waiting = Some(Record::new(format!("byte {start}"), json));
                let reason = "the length of a record is damaged; the record itself is whole and was taken";
                Ok(Record::damage(range(start, start + LENGTH_BYTES), reason))
            }
            Found::Damage(reason, end) => {
                let found = self.search(start + 1)?;
                self.at = match end {
                    Some(end) if end < found && self.may_begin(end)? => end,
                    _ => found,
                };
                Ok(Record::damage(range(start, self.at), format!("damaged, passed over: {reason}")))
            }
        }
    }

    fn look(&mut self, at: u64) -> io::Result<Found> {
        let Some(length) = self.length(at)? else {
            let reason = format!("the last record is cut off; {} bytes of it are there", self.bytes - at);
            return Ok(Found::Damage(reason, None));
        };
        let (begin, end) = (at + LENGTH_BYTES, at + LENGTH_BYTES + length);
        let reason = if end > self.bytes {
            format!("a record of {length} bytes, of which {} are there", self.bytes - begin)
        } else if length > RECORD_BYTES_MAX as u64 {
            format!("a record of {length} bytes; {RECORD_BYTES_MAX} are allowed")
        } else {
            match self.json(begin, length)? {
                Ok(json) => return Ok(Found::Whole(json, end)),
                Err(reason) => reason,
            }
        };
        if let Some((json, length)) = self.json_of_any_length(begin)? {
            return Ok(Found::WrongLength(json, begin + length));
        }
        Ok(Found::Damage(reason, (end <= self.bytes).then_some(end)))
    }

    /// The length that stands at a place; none where the file ends before.
    fn length(&mut self, at: u64) -> io::Result<Option<u64>> {
        if at + LENGTH_BYTES > self.bytes {
            return Ok(None);
        }
        let mut length = [0; LENGTH_BYTES as usize];
        self.seek(at)?;
        self.file.read_exact(&mut length)?;
        Ok(Some(u64::from(u32::from_be_bytes(length))))
    }

    /// The record of this length; inside, why there is none.
    fn json(&mut self, at: u64, length: u64) -> io::Result<Result<String, String>> {
        let mut bytes = vec![0; length as usize];
        self.seek(at)?;
        self.file.read_exact(&mut bytes)?;
        let Ok(json) = String::from_utf8(bytes) else { return Ok(Err("not UTF-8".to_owned())) };
        Ok(check(&json).map(|()| json))
    }

    /// The record that begins here, whatever was said of its length, and how long it is.
    fn json_of_any_length(&mut self, at: u64) -> io::Result<Option<(String, u64)>> {
        self.seek(at)?;
        let bounded = self.file.by_ref().take(RECORD_BYTES_MAX as u64);
        let mut values = serde_json::Deserializer::from_reader(bounded).into_iter::<Box<RawValue>>();
        let Some(Ok(value)) = values.next() else { return Ok(None) };
        let length = values.byte_offset() as u64;
        Ok(check(value.get()).is_ok().then(|| (value.get().to_owned(), length)))
    }

    /// Where the next whole record begins; the end of the file, if there is none.
    fn search(&mut self, from: u64) -> io::Result<u64> {
        let mut chunk = Vec::new();
        let mut at = from;
        loop {
            chunk.clear();
            self.seek(at)?;
            self.file.by_ref().take(LOOK_BYTES as u64).read_to_end(&mut chunk)?;
            let Some(last) = chunk.len().checked_sub(FRAME_BYTES) else { return Ok(self.bytes) };
            for (place, frame) in chunk.windows(FRAME_BYTES).enumerate() {
                // JSON has no such byte, so this is seldom.
                let may_begin = frame[0] <= LENGTH_FIRST_BYTE_MAX && frame[FRAME_BYTES - 1] == b'{';
                if may_begin && self.begins(at + place as u64)? {
                    return Ok(at + place as u64);
                }
            }
            at += last as u64 + 1;
        }
    }

    /// Whether a whole record begins here.
    fn begins(&mut self, at: u64) -> io::Result<bool> {
        let Some(length) = self.fitting_length(at)? else { return Ok(false) };
        Ok(self.json(at + LENGTH_BYTES, length)?.is_ok())
    }

    /// Whether the file ends here, or a record could begin.
    fn may_begin(&mut self, at: u64) -> io::Result<bool> {
        if at == self.bytes {
            return Ok(true);
        }
        Ok(self.fitting_length(at)?.is_some())
    }

    /// The length of a record that would fit into the file and has braces at both its ends.
    fn fitting_length(&mut self, at: u64) -> io::Result<Option<u64>> {
        let begin = at + LENGTH_BYTES;
        let end = self.bytes;
        let fits = |length: &u64| (2..=RECORD_BYTES_MAX as u64).contains(length) && begin + length <= end;
        let Some(length) = self.length(at)?.filter(fits) else { return Ok(None) };
        let has_braces = self.byte(begin)? == b'{' && self.byte(begin + length - 1)? == b'}';
        Ok(has_braces.then_some(length))
    }

    fn byte(&mut self, at: u64) -> io::Result<u8> {
        let mut byte = [0];
        self.seek(at)?;
        self.file.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// Goes to a place; what is in memory of the file stays, where it can.
    fn seek(&mut self, at: u64) -> io::Result<()> {
        let now = self.file.stream_position()?;
        self.file.seek_relative(at as i64 - now as i64)
    }
}

/// Whether JSON is a record; if not, why.
fn check(json: &str) -> Result<(), String> {
    let record: Fields<'_> = fields::parse(json).map_err(|error| error.to_string())?;
    if record.is_whole() {
        return Ok(());
    }
    Err("not an event of claude-flow: it lacks id, type, aggregateId or aggregateType".to_owned())
}

fn range(from: u64, to: u64) -> String {
    format!("bytes {from} to {}", to.saturating_sub(1).max(from))
}
