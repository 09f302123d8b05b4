//! The end of what a process writes.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::TAIL_BYTES_MAX;

/// Bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;

/// One output of a process, read as fast as it comes; its last bytes are kept.
pub(super) struct Tail<R> {
    output: Option<R>,
    bytes: Vec<u8>,
    /// Whether something before them was let go.
    is_cut: bool,
}

impl<R: AsyncRead + Unpin> Tail<R> {
    pub(super) fn of(output: Option<R>) -> Self {
        Self { output, bytes: Vec::new(), is_cut: false }
    }

    /// Reads until its end, or until it is given up.
    pub(super) async fn read(&mut self) {
        let Some(output) = &mut self.output else { return };
        let mut chunk = vec![0; READ_BYTES];
        while let Ok(length @ 1..) = output.read(&mut chunk).await {
            self.bytes.extend_from_slice(&chunk[..length]);
            if self.bytes.len() > 2 * TAIL_BYTES_MAX {
                self.bytes.drain(..self.bytes.len() - TAIL_BYTES_MAX);
                self.is_cut = true;
            }
        }
    }

    /// What was kept, as text; it begins with a whole character.
    pub(super) fn text(&self) -> String {
        let start = self.bytes.len().saturating_sub(TAIL_BYTES_MAX);
        let mut kept = &self.bytes[start..];
        if self.is_cut || start > 0 {
            let within = kept.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
            kept = &kept[within..];
        }
        String::from_utf8_lossy(kept).into_owned()
    }
}
