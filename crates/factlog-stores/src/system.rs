//! What differs between systems, in one place.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Makes an empty file that only its owner can read, and that must not exist yet.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    private(options.write(true).create_new(true));
    options.open(path)
}

/// A file that is made is its owner's only.
pub(crate) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = options;
}

/// Reads at an offset, whatever others do with the file.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
}

/// Writes all bytes at an offset.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, offset);
    #[cfg(windows)]
    {
        let mut written = 0;
        while written < bytes.len() {
            let at = offset + written as u64;
            match std::os::windows::fs::FileExt::seek_write(file, &bytes[written..], at)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => written += count,
            }
        }
        Ok(())
    }
}

/// Makes the names in a folder survive a crash of the machine; where a system has no such call, it does so by itself.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// A text that is another one each time the machine has started; empty where that cannot be told.
pub(crate) fn boot() -> String {
    let told = if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
    } else {
        String::new()
    };
    told.trim().to_owned()
}

/// Lengthens a file with zeros to a size and waits until they are on the disk.
pub(crate) fn extend_with_zeros(path: &Path, bytes: u64) -> io::Result<()> {
    const CHUNK_BYTES: usize = 1024 * 1024;
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut at = file.seek(SeekFrom::End(0))?;
    let zeros = vec![0; CHUNK_BYTES];
    while at < bytes {
        let length = (bytes - at).min(CHUNK_BYTES as u64);
        file.write_all(&zeros[..length as usize])?;
        at += length;
    }
    file.sync_all()
}

/// The name of the network file system that a path is on, where that can be told.
#[cfg(target_os = "linux")]
pub(crate) fn network_file_system(path: &Path) -> Option<&'static str> {
    // The numbers of statfs(2), as in the kernel's linux/magic.h.
    match rustix::fs::statfs(path).ok()?.f_type as u32 {
        0x6969 => Some("NFS"),
        0xFF53_4D42 | 0xFE53_4D42 | 0x517B => Some("SMB"),
        0x0102_1997 => Some("9P"),
        _ => None,
    }
}

/// Other systems have no common call for it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn network_file_system(_path: &Path) -> Option<&'static str> {
    None
}
