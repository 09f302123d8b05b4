//! The floor of reading lines of JSON: serde takes each line apart, and keeps the data as the text it is. No checksum is
//! looked at, and nothing is kept.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::factlog::FOLDER;
use super::{Seen, Subject, What};
use crate::workload::Batch;

struct JsonScan(PathBuf);

#[derive(Deserialize)]
#[expect(dead_code, reason = "to be taken apart is what is measured")]
struct Line<'a> {
    position: u64,
    id: &'a str,
    stream: &'a str,
    version: u64,
    r#type: &'a str,
    #[serde(rename = "recordedAt")]
    recorded_at: &'a str,
    #[serde(rename = "correlationId")]
    correlation_id: Option<&'a str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[expect(clippy::unnecessary_wraps, reason = "subjects are opened alike")]
pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    Ok(Box::new(JsonScan(folder.join(FOLDER))))
}

impl JsonScan {
    /// Reads one file, a chunk after the other.
    fn scan(path: &Path, seen: &mut Seen) -> Result<()> {
        const CHUNK_BYTES: usize = 256 * 1024;
        let mut file = File::open(path)?;
        let (mut buffer, mut filled) = (vec![0; 2 * CHUNK_BYTES], 0);
        loop {
            let read = file.read(&mut buffer[filled..])?;
            filled += read;
            let Some(end) = buffer[..filled].iter().rposition(|byte| *byte == b'\n') else { break };
            for line in buffer[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let line: Line<'_> = serde_json::from_slice(line)?;
                seen.note(std::hint::black_box(&line).data.get().as_bytes());
            }
            buffer.copy_within(end + 1..filled, 0);
            filled -= end + 1;
            if read == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl Subject for JsonScan {
    fn append(&self, _batch: Batch) -> Result<u64> {
        bail!("it only reads")
    }

    fn read(&self, what: &What) -> Result<Seen> {
        let What::All = what else { bail!("it reads everything") };
        let mut seen = Seen::default();
        let mut files = Vec::new();
        for day in std::fs::read_dir(&self.0)?.filter_map(Result::ok) {
            let is_day = day.file_name().to_str().is_some_and(|name| name.starts_with("20"));
            if is_day {
                files.extend(std::fs::read_dir(day.path())?.filter_map(Result::ok).map(|file| file.path()));
            }
        }
        files.sort();
        for file in files {
            Self::scan(&file, &mut seen).with_context(|| format!("{}", file.display()))?;
        }
        Ok(seen)
    }

    fn head(&self) -> Result<u64> {
        bail!("it only reads")
    }
}
