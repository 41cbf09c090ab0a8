//! The socket's folder and address, and the files a runner leaves for its host.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{getuid, umask};
use tokio::net::UnixListener;

use super::options::RunnerError;

/// Bytes of a path that fit into a socket address, without the final zero.
const SOCKET_PATH_LIMIT: usize = 107;

/// Listens on `socket`, in a private folder, in place of a socket nobody answers on any more.
pub(super) fn listen(socket: &Path) -> Result<UnixListener, RunnerError> {
    if socket.as_os_str().len() > SOCKET_PATH_LIMIT {
        return Err(RunnerError::SocketPathTooLong(socket.to_owned()));
    }
    if let Some(folder) = socket.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_folder(folder)?;
    }
    match UnixStream::connect(socket) {
        Ok(_) => return Err(RunnerError::AlreadyRunning(socket.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(_) => {
            fs::remove_file(socket).map_err(RunnerError::system("replace the stale socket"))?;
        }
    }
    // The mode must be right from the first moment on.
    let previous = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(socket);
    umask(previous);
    listener.map_err(RunnerError::system("listen on the socket"))
}

fn private_folder(folder: &Path) -> Result<(), RunnerError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(RunnerError::system("make the socket's folder"))?;
    let metadata =
        fs::symlink_metadata(folder).map_err(RunnerError::system("look at the socket's folder"))?;
    let private = metadata.is_dir()
        && metadata.uid() == getuid().as_raw()
        && metadata.permissions().mode().trailing_zeros() >= 6;
    if private { Ok(()) } else { Err(RunnerError::FolderNotPrivate(folder.to_owned())) }
}

/// Removes the socket, if it is still the one whose inode is given.
pub(super) fn remove_socket(socket: &Path, inode: Option<u64>) {
    let current = fs::symlink_metadata(socket).ok().map(|metadata| metadata.ino());
    if current.is_some() && current == inode {
        let _ = fs::remove_file(socket);
    }
}

/// Reads the inode of a socket, to know it again.
pub(super) fn inode(socket: &Path) -> Option<u64> {
    fs::symlink_metadata(socket).ok().map(|metadata| metadata.ino())
}

/// Writes a file as a whole, durably and readable by the user alone: after a crash the old or the new content is there.
pub(super) fn write_durably(path: &Path, content: &serde_json::Value) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = folder.join(name);
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(format!("{content}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("deep").join("r.sock");
        drop(listen(&socket).unwrap());
        let living = listen(&socket).unwrap();
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(socket.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(listen(&socket), Err(RunnerError::AlreadyRunning(_))));
        drop(living);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_folder_open_to_others_and_a_path_too_long_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(listen(&open.join("r.sock")), Err(RunnerError::FolderNotPrivate(_))));
        let long = folder.path().join("x".repeat(120));
        assert!(matches!(listen(&long), Err(RunnerError::SocketPathTooLong(_))));
    }
}
