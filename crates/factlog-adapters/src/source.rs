//! Where lines come from: files, the files of folders, standard input.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use factlog::{Error, Result};

/// One file, or standard input.
#[derive(Debug)]
pub(crate) struct Source {
    /// How people are told of it.
    pub(crate) name: String,
    /// None for standard input.
    path: Option<PathBuf>,
    /// Its size when it was found; none where nobody knows, as with a pipe.
    pub(crate) bytes: Option<u64>,
}

impl Source {
    fn file(path: &Path) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|cause| failed(path, cause))?;
        let bytes = about.is_file().then_some(about.len());
        Ok(Self { name: path.display().to_string(), path: Some(path.to_owned()), bytes })
    }

    /// The name of the file without folders and ending.
    pub(crate) fn stem(&self) -> String {
        let stem = self.path.as_deref().and_then(Path::file_stem);
        stem.map_or_else(|| self.name.clone(), |stem| stem.to_string_lossy().into_owned())
    }

    /// Where the file is, whatever way leads there; none for what is no file.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        self.bytes?;
        self.path.as_ref()?.canonicalize().ok()
    }

    /// The file as it was named or found; none for standard input.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>> {
        match &self.path {
            None => Ok(Box::new(io::stdin())),
            Some(path) => {
                File::open(path).map(|file| Box::new(file) as _).map_err(|cause| failed(path, cause))
            }
        }
    }

    /// The error for a source that could not be read on.
    pub(crate) fn unreadable(&self, cause: io::Error) -> Error {
        failed(Path::new(&self.name), cause)
    }
}

/// Gathers sources; a file that several paths lead to is read once.
pub(crate) struct Sources {
    endings: &'static [&'static str],
    found: Vec<Source>,
    seen: HashSet<PathBuf>,
    /// Where trouble is only noted, what it is.
    troubles: Option<Vec<Error>>,
}

impl Sources {
    /// In folders, files with one of these endings count.
    pub(crate) fn new(endings: &'static [&'static str]) -> Self {
        Self { endings, found: Vec::new(), seen: HashSet::new(), troubles: None }
    }

    /// The same, where a folder that cannot be read does not keep the others from being read.
    pub(crate) fn lenient(endings: &'static [&'static str]) -> Self {
        Self { troubles: Some(Vec::new()), ..Self::new(endings) }
    }

    /// What could not be read.
    pub(crate) fn take_troubles(&mut self) -> Vec<Error> {
        self.troubles.take().unwrap_or_default()
    }

    /// Adds what is there; what has gone in the meantime is no trouble.
    pub(crate) fn add_if_there(&mut self, path: &Path) {
        if let Err(error) = self.add(path)
            && error.kind() != factlog::ErrorKind::NotFound
            && let Some(troubles) = &mut self.troubles
        {
            troubles.push(error);
        }
    }

    pub(crate) fn add_stdin(&mut self) {
        self.found.push(Source { name: "stdin".to_owned(), path: None, bytes: None });
    }

    /// Adds a file, whatever its ending, or a folder with all that is under it, in the order of names.
    ///
    /// # Errors
    /// `NotFound`, `Denied` or `Unavailable`, naming the path.
    pub(crate) fn add(&mut self, path: &Path) -> Result<()> {
        let about = std::fs::metadata(path).map_err(|cause| failed(path, cause))?;
        if !self.is_new(path) {
            return Ok(());
        }
        if about.is_dir() {
            return self.walk(path);
        }
        self.found.push(Source::file(path)?);
        Ok(())
    }

    pub(crate) fn into_found(self) -> Vec<Source> {
        self.found
    }

    /// A folder of that name was not walked and a file not added yet: this is what ends a loop of links.
    fn is_new(&mut self, path: &Path) -> bool {
        // A pipe has no canonical path; its own does as well.
        self.seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }

    fn walk(&mut self, folder: &Path) -> Result<()> {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match (entries, &mut self.troubles) {
            (Ok(entries), _) => entries,
            (Err(cause), None) => return Err(failed(folder, cause)),
            (Err(cause), Some(troubles)) => {
                troubles.push(failed(folder, cause));
                return Ok(());
            }
        };
        let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort_unstable();
        for path in paths {
            // A link that leads nowhere and a file that was just deleted have nothing to be read.
            let Ok(about) = std::fs::metadata(&path) else { continue };
            let is_meant = about.is_dir() || (about.is_file() && has_ending(&path, self.endings));
            if !is_meant || !self.is_new(&path) {
                continue;
            }
            if about.is_dir() {
                self.walk(&path)?;
            } else {
                self.found.push(Source::file(&path)?);
            }
        }
        Ok(())
    }
}

/// Whether a file's name ends in one of these ways, whatever the case.
pub(crate) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

fn failed(path: &Path, cause: io::Error) -> Error {
    let message = format!("{}: {cause}", path.display());
    let error = match cause.kind() {
        ErrorKind::NotFound => Error::not_found(format!("{}: no such file or folder", path.display()))
            .with_hint("check the spelling, and that the path is meant from the folder you are in"),
        ErrorKind::PermissionDenied => Error::denied(message)
            .with_hint("run it as a user who may read the file, or give the right to read it"),
        _ => Error::unavailable(message),
    };
    error.with_cause(cause)
}
