//! Where things live: the one place that knows folders and reads the environment for them.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use orchflow_core::AgentKey;

/// The longest path of a socket, in bytes.
const SOCKET_PATH: usize = 107;

/// Says why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// It cannot be made.
    #[error("{path} cannot be made: {source}; make it writable, or set {variable} to a folder that is")]
    Create {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
        /// The variable that moves it.
        variable: &'static str,
    },
    /// There is no room for it.
    #[error("the disk that holds {0} is full; free some space on it, then run the command again")]
    Full(PathBuf),
    /// It belongs to somebody else or is open to others.
    #[error("{path} is not safe: {why}; remove it or set XDG_RUNTIME_DIR")]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// There is no home folder.
    #[error("neither {0} nor HOME is set; set one of them")]
    NoHome(&'static str),
    /// A socket's path would be longer than the system takes.
    #[error("the socket path {0} is longer than 107 bytes; set XDG_RUNTIME_DIR to a shorter folder")]
    SocketTooLong(PathBuf),
}

/// The folders of one user.
#[derive(Debug, Clone)]
pub struct UserFolders {
    /// Sockets and locks; gone after a reboot.
    pub runtime: PathBuf,
    /// Stores, worktrees.
    pub data: PathBuf,
    /// Configuration.
    pub config: PathBuf,
}

impl UserFolders {
    /// Finds the folders by the XDG base directory specification.
    ///
    /// # Errors
    /// [`PathError::NoHome`] when nothing says where home is.
    pub fn from_environment() -> Result<UserFolders, PathError> {
        let folder = |name: &'static str, below_home: &str| -> Result<PathBuf, PathError> {
            let given = std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
            let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home));
            given.or_else(home).map(|path| path.join("orchflow")).ok_or(PathError::NoHome(name))
        };
        let uid = rustix::process::getuid().as_raw();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .map_or_else(|| PathBuf::from(format!("/tmp/orchflow-{uid}")), |path| path.join("orchflow"));
        Ok(UserFolders {
            runtime,
            data: folder("XDG_DATA_HOME", ".local/share")?,
            config: folder("XDG_CONFIG_HOME", ".config")?,
        })
    }
}

/// The folders and files of one repository.
#[derive(Debug, Clone)]
pub struct RepositoryFolders {
    /// The user's folders.
    pub user: UserFolders,
    /// 16 hex digits that name the repository.
    pub key: String,
    /// Its short name, for folders people look at.
    pub name: String,
    /// Where worktrees go.
    pub worktrees: PathBuf,
}

impl RepositoryFolders {
    /// Names the folders of the repository whose common folder this is.
    pub fn new(user: UserFolders, common_dir: &Path, worktrees: Option<&Path>) -> RepositoryFolders {
        let hash = blake3::hash(common_dir.as_os_str().as_bytes());
        let key: String = hash.to_hex().chars().take(16).collect();
        let folder = match common_dir.file_name() {
            Some(name) if name == ".git" => common_dir.parent().and_then(Path::file_name),
            name => name,
        };
        let name: String = folder
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
            .take(40)
            .collect();
        let short: String = key.chars().take(8).collect();
        let root = worktrees.map_or_else(|| user.data.join("worktrees"), Path::to_path_buf);
        RepositoryFolders { worktrees: root.join(format!("{name}-{short}")), user, key, name }
    }

    /// The folder of sockets and locks.
    pub fn runtime(&self) -> PathBuf {
        self.user.runtime.join(&self.key)
    }

    /// The host's socket.
    pub fn host_socket(&self) -> PathBuf {
        self.runtime().join("host.sock")
    }

    /// The lock that makes the host single.
    pub fn host_lock(&self) -> PathBuf {
        self.runtime().join("host.lock")
    }

    /// The folder of the store.
    pub fn data(&self) -> PathBuf {
        self.user.data.join("repos").join(&self.key)
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.data().join("events.db")
    }

    /// The host's log for its own errors.
    pub fn host_log(&self) -> PathBuf {
        self.data().join("host.log")
    }

    /// The folder of one agent's files.
    pub fn agent(&self, agent: &AgentKey) -> PathBuf {
        self.data().join("agents").join(agent.file_stem())
    }

    /// The spool of one agent.
    pub fn spool(&self, agent: &AgentKey) -> PathBuf {
        self.agent(agent).join("spool")
    }

    /// The socket of one agent's runner: named for it, where the system takes a path of that length.
    pub fn runner_socket(&self, agent: &AgentKey) -> PathBuf {
        let folder = self.runtime().join("r");
        let named = folder.join(format!("{}.sock", agent.file_stem()));
        if named.as_os_str().len() <= SOCKET_PATH {
            named
        } else {
            folder.join(short_socket_name(&agent.file_stem()))
        }
    }

    /// Where one agent's worktree goes.
    pub fn worktree(&self, agent: &AgentKey) -> PathBuf {
        self.worktrees.join(agent.file_stem())
    }

    /// Makes the folders.
    ///
    /// # Errors
    /// [`PathError`] when one cannot be made or is not safe.
    pub fn create(&self) -> Result<(), PathError> {
        let longest = self.runtime().join("r").join(short_socket_name(""));
        if longest.as_os_str().len() > SOCKET_PATH {
            return Err(PathError::SocketTooLong(longest));
        }
        private_folder(&self.user.runtime, "XDG_RUNTIME_DIR")?;
        private_folder(&self.runtime(), "XDG_RUNTIME_DIR")?;
        private_folder(&self.runtime().join("r"), "XDG_RUNTIME_DIR")?;
        private_folder(&self.data(), "XDG_DATA_HOME")?;
        private_folder(&self.data().join("agents"), "XDG_DATA_HOME")
    }
}

/// Names a socket in few characters, whatever it is for.
fn short_socket_name(text: &str) -> String {
    let hash: String = blake3::hash(text.as_bytes()).to_hex().chars().take(12).collect();
    format!("{hash}.sock")
}

/// Makes a folder only its owner can enter, and refuses one that others prepared.
fn private_folder(path: &Path, variable: &'static str) -> Result<(), PathError> {
    let create = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::StorageFull => PathError::Full(path.to_path_buf()),
        _ => PathError::Create { path: path.to_path_buf(), source, variable },
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(create)?;
    let meta = std::fs::symlink_metadata(path).map_err(create)?;
    if !meta.is_dir() {
        return Err(PathError::Unsafe { path: path.to_path_buf(), why: "it is not a folder" });
    }
    if meta.uid() != rustix::process::getuid().as_raw() {
        return Err(PathError::Unsafe { path: path.to_path_buf(), why: "it belongs to another user" });
    }
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(create)?;
    }
    Ok(())
}

/// Finds a repository's common folder without starting git: the fronts' short way to a host that runs.
///
/// Follows what git writes itself: a `.git` folder, or a `.git` file that names a worktree's folder with
/// a `commondir` file in it. `None` for everything else (bare repositories, `GIT_DIR`): then git is asked.
pub fn quick_common_dir(start: &Path) -> Option<PathBuf> {
    let start = std::fs::canonicalize(start).ok()?;
    let found = start.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    if found.is_dir() {
        return found.join("HEAD").exists().then(|| std::fs::canonicalize(&found).ok()).flatten();
    }
    let text = std::fs::read(&found).ok()?;
    let named = text.strip_prefix(b"gitdir: ")?.trim_ascii_end();
    let git_dir = found.parent()?.join(std::ffi::OsStr::from_bytes(named));
    let common = std::fs::read(git_dir.join("commondir")).ok()?;
    std::fs::canonicalize(git_dir.join(std::ffi::OsStr::from_bytes(common.trim_ascii_end()))).ok()
}

/// Finds the working tree a folder is in without starting git: the nearest folder above with a `.git`.
pub fn quick_worktree(start: &Path) -> Option<PathBuf> {
    let start = std::fs::canonicalize(start).ok()?;
    start.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_its_common_folder() {
        let user = UserFolders { runtime: "/run/u/orchflow".into(), data: "/d".into(), config: "/c".into() };
        let folders = RepositoryFolders::new(user.clone(), Path::new("/src/my app/.git"), None);
        assert_eq!(folders.name, "my_app");
        assert_eq!(folders.key.len(), 16);
        let bare = RepositoryFolders::new(user, Path::new("/src/my app.git"), None);
        assert_ne!(bare.key, folders.key);
        assert_eq!(bare.name, "my_app_git");
    }

    #[test]
    fn a_folder_open_to_others_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        private_folder(&path, "X").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        std::fs::write(root.path().join("f"), "").unwrap();
        assert!(private_folder(&root.path().join("f"), "X").is_err());
    }
}
