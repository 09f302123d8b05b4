//! Bytes in blocks, each with its checksum, so that a part of a file can be believed without reading all of it.

use std::io;
use std::ops::Range;

use crate::vfs::{VfsFile, read_fully};

/// Bytes of a block in the file.
const BLOCK_BYTES: usize = 4_096;
/// Bytes of a block before its checksum.
const CONTENT_BYTES: usize = BLOCK_BYTES - 4;

/// Contents as a file has them; the last block is filled up with zeros.
pub(in crate::jsonl) fn blocked(contents: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(contents.len() / CONTENT_BYTES * BLOCK_BYTES + BLOCK_BYTES);
    for content in contents.chunks(CONTENT_BYTES) {
        let start = file.len();
        file.extend_from_slice(content);
        file.resize(start + CONTENT_BYTES, 0);
        let crc = crc32fast::hash(&file[start..]);
        file.extend_from_slice(&crc.to_le_bytes());
    }
    file
}

/// The bytes of the file that holds so many.
pub(super) fn file_bytes(content_bytes: u64) -> u64 {
    content_bytes.div_ceil(CONTENT_BYTES as u64) * BLOCK_BYTES as u64
}

/// Reads a range of the contents; what is missing or has a wrong checksum is `InvalidData`.
pub(super) fn read(file: &dyn VfsFile, range: Range<u64>) -> io::Result<Vec<u8>> {
    let content = CONTENT_BYTES as u64;
    let first = range.start / content;
    let last = range.end.div_ceil(content).max(first + 1);
    let mut bytes = vec![0; (last - first) as usize * BLOCK_BYTES];
    let filled = read_fully(file, &mut bytes, first * BLOCK_BYTES as u64)?;
    if filled < bytes.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the index ends too early"));
    }
    let mut contents = Vec::with_capacity(bytes.len());
    for block in bytes.chunks_exact(BLOCK_BYTES) {
        let (content, crc) = block.split_at(CONTENT_BYTES);
        if crc32fast::hash(content).to_le_bytes() != crc {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a checksum of the index is wrong"));
        }
        contents.extend_from_slice(content);
    }
    let skip = (range.start - first * content) as usize;
    contents.drain(..skip);
    contents.truncate((range.end - range.start) as usize);
    Ok(contents)
}
