//! What is on the disk: files and folders by number, found by their paths.

use std::io;
use std::path::{Component, Path};

use fastrand::Rng;

use super::Luck;
use super::content::Content;
use super::names::{Names, Node};

/// The folder that everything is in.
const ROOT: Node = 0;

#[derive(Debug)]
enum Thing {
    File(Content),
    Folder(Names),
}

/// All files and folders; those without a name are kept for those who have them open.
#[derive(Debug)]
pub(super) struct Tree {
    things: Vec<Thing>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { things: vec![Thing::Folder(Names::default())] }
    }

    /// The file or folder of a path.
    pub(super) fn find(&self, path: &Path) -> io::Result<Node> {
        parts(path)?
            .into_iter()
            .try_fold(ROOT, |folder, name| self.names(folder)?.live.get(name).copied().ok_or_else(not_found))
    }

    /// The folder that a path is in, and its name there.
    pub(super) fn place<'a>(&self, path: &'a Path) -> io::Result<(Node, &'a str)> {
        let parts = parts(path)?;
        let (name, above) = parts.split_last().ok_or_else(not_found)?;
        let folder = above.iter().try_fold(ROOT, |folder, name| {
            self.names(folder)?.live.get(*name).copied().ok_or_else(not_found)
        })?;
        self.names(folder)?;
        Ok((folder, name))
    }

    pub(super) fn new_file(&mut self) -> Node {
        self.things.push(Thing::File(Content::default()));
        self.things.len() - 1
    }

    pub(super) fn new_folder(&mut self) -> Node {
        self.things.push(Thing::Folder(Names::default()));
        self.things.len() - 1
    }

    pub(super) fn is_folder(&self, node: Node) -> bool {
        matches!(self.things[node], Thing::Folder(_))
    }

    pub(super) fn names(&self, node: Node) -> io::Result<&Names> {
        match &self.things[node] {
            Thing::Folder(names) => Ok(names),
            Thing::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn names_mut(&mut self, node: Node) -> io::Result<&mut Names> {
        match &mut self.things[node] {
            Thing::Folder(names) => Ok(names),
            Thing::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn content(&mut self, node: Node) -> io::Result<&mut Content> {
        match &mut self.things[node] {
            Thing::File(content) => Ok(content),
            Thing::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn crash(&mut self, random: &mut Rng, luck: Luck) {
        for thing in &mut self.things {
            match thing {
                Thing::File(content) => content.crash(random, luck),
                Thing::Folder(names) => names.crash(random, luck),
            }
        }
    }

    pub(super) fn sync_all(&mut self) {
        for thing in &mut self.things {
            match thing {
                Thing::File(content) => content.sync(),
                Thing::Folder(names) => names.sync(),
            }
        }
    }

    /// All files that have a name and bytes, by their paths.
    pub(super) fn files(&self) -> Vec<(String, Node)> {
        let mut files = Vec::new();
        let mut folders = vec![(String::new(), ROOT)];
        while let Some((path, folder)) = folders.pop() {
            let Ok(names) = self.names(folder) else { continue };
            for (name, node) in &names.live {
                let path = format!("{path}/{name}");
                match &self.things[*node] {
                    Thing::Folder(_) => folders.push((path, *node)),
                    Thing::File(content) if content.len() > 0 => files.push((path, *node)),
                    Thing::File(_) => {}
                }
            }
        }
        files
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn parts(path: &Path) -> io::Result<Vec<&str>> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_str().ok_or_else(|| io::ErrorKind::InvalidInput.into())),
        _ => None,
    });
    names.collect()
}
