//! The worktree, and that nothing leads out of it.

use std::io;
use std::path::{Component, Path, PathBuf};

/// A worktree. Every path a model names goes through here.
#[derive(Debug, Clone)]
pub(super) struct Place {
    root: PathBuf,
    /// As the model is told of it, where a link leads there.
    named: PathBuf,
}

impl Place {
    pub(super) fn new(worktree: &Path) -> io::Result<Place> {
        let root = worktree.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is no folder"));
        }
        Ok(Place { root, named: worktree.to_owned() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Gives a path as it is shown: from the top.
    pub(super) fn shown(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        if inside.as_os_str().is_empty() { ".".to_owned() } else { inside.display().to_string() }
    }

    /// Finds what is there, links resolved.
    pub(super) fn existing(&self, path: &str) -> Result<PathBuf, String> {
        let wanted = self.inside(path)?;
        let real = wanted.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{path}: there is no such file; use List to see what there is")
            }
            _ => format!("{path}: {error}"),
        })?;
        self.checked(path, real)
    }

    /// Finds where a file is or would be, links resolved.
    pub(super) fn target(&self, path: &str) -> Result<PathBuf, String> {
        let wanted = self.inside(path)?;
        if wanted.symlink_metadata().is_ok() {
            // A link that leads nowhere would make its file wherever it points to.
            let real = wanted
                .canonicalize()
                .map_err(|error| format!("{path}: it is a link that leads nowhere ({error})"))?;
            return self.checked(path, real);
        }
        let Some(name) = wanted.file_name() else { return Err(format!("{path}: this is no name of a file")) };
        let mut missing = vec![name.to_owned()];
        let mut folder = wanted.as_path();
        while let Some(above) = folder.parent() {
            if above.symlink_metadata().is_ok() {
                let mut real = above.canonicalize().map_err(|error| format!("{path}: {error}"))?;
                real.extend(missing.iter().rev());
                return self.checked(path, real);
            }
            missing.extend(above.file_name().map(ToOwned::to_owned));
            folder = above;
        }
        Err(format!("{path}: its folder cannot be found"))
    }

    /// Puts a path under the top by its words alone. Whether links lead out of it is looked at after.
    fn inside(&self, path: &str) -> Result<PathBuf, String> {
        let outside = || {
            let root = self.named.display();
            format!("{path}: this is outside of your worktree {root}; name files from its top")
        };
        if path.is_empty() || path.contains('\0') {
            return Err(
                "the path is empty or holds a NUL; name a file from the top of the worktree".to_owned()
            );
        }
        let path = Path::new(path);
        let relative = if path.is_absolute() {
            path.strip_prefix(&self.named)
                .or_else(|_| path.strip_prefix(&self.root))
                .map_err(|_| outside())?
        } else {
            path
        };
        let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
        for component in relative.components() {
            match component {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                Component::ParentDir => drop(parts.pop().ok_or_else(outside)?),
                Component::RootDir | Component::Prefix(_) => return Err(outside()),
            }
        }
        let mut inside = self.root.clone();
        inside.extend(parts);
        Ok(inside)
    }

    fn checked(&self, path: &str, real: PathBuf) -> Result<PathBuf, String> {
        let Ok(inside) = real.strip_prefix(&self.root) else {
            return Err(format!(
                "{path}: a link leads out of your worktree here; work on files inside of it"
            ));
        };
        // Git's own files can run programs; nobody reviews them.
        if inside.components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git")) {
            return Err(format!("{path}: git's own files are not yours to read or change; use git by Run"));
        }
        Ok(real)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place() -> (tempfile::TempDir, Place) {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir_all(tree.join("src")).unwrap();
        std::fs::create_dir_all(tree.join(".git/hooks")).unwrap();
        std::fs::write(tree.join("src/a.rs"), "a").unwrap();
        std::fs::write(tree.join(".git/config"), "x").unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        symlink("../secret", tree.join("out")).unwrap();
        symlink("..", tree.join("up")).unwrap();
        symlink("src", tree.join("in")).unwrap();
        symlink("/nonexistent/new", tree.join("dangling")).unwrap();
        symlink(".git", tree.join("g")).unwrap();
        let place = Place::new(&tree).unwrap();
        (folder, place)
    }

    #[test]
    fn what_is_inside_is_found_however_it_is_named() {
        let (_folder, place) = place();
        let file = place.root().join("src/a.rs");
        let absolute = file.to_str().unwrap().to_owned();
        for path in ["src/a.rs", "./src//a.rs", "src/../src/a.rs", "in/a.rs", &absolute] {
            assert_eq!(place.existing(path), Ok(file.clone()), "{path}");
            assert_eq!(place.target(path), Ok(file.clone()), "{path}");
        }
        assert_eq!(place.target("in/new/b.rs"), Ok(place.root().join("src/new/b.rs")));
        assert_eq!(place.existing("."), Ok(place.root().to_owned()));
    }

    #[test]
    fn nothing_leads_out() {
        let (_folder, place) = place();
        for path in [
            "../secret",
            "/etc/passwd",
            "src/../../secret",
            "out",
            "up/secret",
            "up/new",
            "up/tree/../secret",
            ".git/config",
            "g/config",
            ".git",
            ".GIT/config",
            "",
            "a\0b",
            "/",
        ] {
            assert!(place.existing(path).is_err(), "read {path:?}");
            assert!(place.target(path).is_err(), "write {path:?}");
        }
        for path in ["dangling", ".git/hooks/new", "src/.git/config", "up/new/deep"] {
            assert!(place.target(path).is_err(), "write {path:?}");
        }
        let message = place.existing("../secret").unwrap_err();
        assert!(message.contains("outside of your worktree"), "{message}");
    }
}
