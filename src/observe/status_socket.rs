//! The Unix socket over which a running gateway tells its [`Status`]: the client says `status` and a line feed, the
//! gateway answers with JSON and closes.
//!
//! The socket belongs to the user alone (mode 0600, put in place only when it has that mode). A socket that nobody
//! answers on is replaced, one that somebody answers on is respected. This is an I/O module: the server runs on tokio,
//! the client blocks.

use super::status::Status;
use crate::config::{Environment, ProcessEnvironment};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// A question to the gateway: it sends its status back.
pub type StatusRequest = oneshot::Sender<Status>;

/// Why the socket could not be put in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another gateway answers there.
    #[error("another gateway already answers on {0}: stop it, or give this one a status_socket of its own")]
    InUse(PathBuf),
    /// Something that is no socket is there.
    #[error("{0} is there and is no socket: remove it, or choose another status_socket")]
    NotASocket(PathBuf),
    /// Another user could put a socket of his own into the directory.
    #[error("the directory {0} belongs to another user or is open to all: choose a status_socket in one of your own")]
    ForeignDirectory(PathBuf),
    /// The system refused.
    #[error("the status socket {path} cannot be made: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The gateway's side.
#[derive(Debug)]
pub struct StatusServer {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl StatusServer {
    /// Puts the socket in place. Needs a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let failed = |source| BindError::Io { path: path.to_owned(), source };
        prepare_directory(path)?;
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
            // A socket file outlives its process: only a connection tells whether anyone is behind it.
            Ok(_) if BlockingStream::connect(path).is_ok() => return Err(BindError::InUse(path.to_owned())),
            Ok(_) | Err(_) => {}
        }
        // Made under another name and moved when it has its mode: at no time can anyone else connect.
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let _ = fs::remove_file(&draft);
        let listener = UnixListener::bind(&draft).map_err(failed)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let inode = fs::symlink_metadata(&draft).map_err(failed)?.ino();
        fs::rename(&draft, path).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Answers clients, a few at a time, until the gateway drops the far end of `requests`.
    pub async fn serve(self, requests: mpsc::Sender<StatusRequest>) {
        let clients = Arc::new(Semaphore::new(MAX_CLIENTS));
        loop {
            let Ok(permit) = Arc::clone(&clients).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = requests.closed() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let requests = requests.clone();
                    tokio::spawn(async move {
                        if let Ok(Err(error)) = timeout(TIMEOUT, answer(stream, &requests)).await {
                            tracing::debug!("a status client left: {error}");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: trying at once would only burn the processor.
                    tracing::warn!("the status socket cannot accept: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        // Another gateway may have put its own in place meanwhile.
        if fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Clients at the same time; the next ones wait.
const MAX_CLIENTS: usize = 8;
/// How long a client or the gateway may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest question.
const LONGEST_REQUEST: usize = 64;
/// The longest answer a client reads, bytes: some 100 000 calls.
const LONGEST_ANSWER: u64 = 64 << 20;

/// What goes over the socket instead of a status when there is none.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    error: String,
}

async fn answer(mut stream: UnixStream, requests: &mpsc::Sender<StatusRequest>) -> io::Result<()> {
    let mut question = Vec::with_capacity(LONGEST_REQUEST);
    while !question.contains(&b'\n') && question.len() < LONGEST_REQUEST {
        let mut chunk = [0; LONGEST_REQUEST];
        match stream.read(&mut chunk).await? {
            0 => break,
            length => question.extend_from_slice(&chunk[..length]),
        }
    }
    let text = if question.trim_ascii() == b"status" {
        let (reply, status) = oneshot::channel();
        match requests.try_send(reply) {
            Ok(()) => match status.await {
                Ok(status) => status.to_json(),
                Err(_) => refusal("the gateway is shutting down"),
            },
            Err(mpsc::error::TrySendError::Full(_)) => refusal("too many ask at once"),
            Err(mpsc::error::TrySendError::Closed(_)) => refusal("the gateway is shutting down"),
        }
    } else {
        refusal("the only question here is: status")
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

fn refusal(error: &str) -> String {
    serde_json::to_string(&Refusal { error: error.to_owned() }).expect("plain data has a JSON form")
}

/// Makes the directory if it is missing, and refuses one that another user could have prepared.
fn prepare_directory(path: &Path) -> Result<(), BindError> {
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        Some(_) | None => Path::new("."),
    };
    let failed = |source| BindError::Io { path: path.to_owned(), source };
    if !directory.exists() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    }
    // A link is judged by who made it, and the directory by who can put something into it.
    let link = fs::symlink_metadata(directory).map_err(failed)?;
    let target = fs::metadata(directory).map_err(failed)?;
    let user = ProcessEnvironment.user_id();
    let foreign = |owner: u32| owner != 0 && user.is_some_and(|user| owner != user);
    let anyone_replaces = target.mode() & 0o002 != 0 && target.mode() & STICKY == 0;
    if foreign(link.uid()) || foreign(target.uid()) || anyone_replaces {
        return Err(BindError::ForeignDirectory(directory.to_owned()));
    }
    Ok(())
}

/// The mode bit of a directory in which only owners may rename and remove, as in /tmp.
const STICKY: u32 = 0o1000;

/// Why a status could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Nobody listens there.
    #[error("no gateway is running at {0}: start one, or name its socket with --socket or its file with --config")]
    NotRunning(PathBuf),
    /// The socket is another user's.
    #[error("the gateway at {0} runs as another user: ask as that user, or as root")]
    Denied(PathBuf),
    /// The gateway did not answer in time.
    #[error("the gateway at {0} does not answer")]
    Silent(PathBuf),
    /// The gateway said why not.
    #[error("the gateway at {path} says: {message}")]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Its words.
        message: String,
    },
    /// What came is no status.
    #[error("what answers at {0} is no gateway of this kind")]
    Malformed(PathBuf),
    /// The system refused.
    #[error("the gateway at {path} cannot be asked: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Asks the gateway at `path`. Blocks for a few seconds at most.
pub fn query(path: &Path) -> Result<Status, QueryError> {
    let failed = |source: io::Error| {
        let path = path.to_owned();
        let is = |kinds: &[io::ErrorKind]| kinds.contains(&source.kind());
        if is(&[io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused]) {
            QueryError::NotRunning(path)
        } else if is(&[io::ErrorKind::PermissionDenied]) {
            QueryError::Denied(path)
        } else if is(&[io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut]) {
            QueryError::Silent(path)
        } else {
            QueryError::Io { path, source }
        }
    };
    let mut stream = BlockingStream::connect(path).map_err(failed)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
    stream.write_all(b"status\n").map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).map_err(failed)?;
    if let Ok(Refusal { error }) = serde_json::from_slice(&answer) {
        return Err(QueryError::Refused { path: path.to_owned(), message: error });
    }
    if answer.is_empty() {
        return Err(QueryError::Silent(path.to_owned()));
    }
    serde_json::from_slice(&answer).map_err(|_| QueryError::Malformed(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, StatusOptions};
    use crate::config::FixedEnvironment;

    /// A directory that goes with the test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("voip-status-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&directory);
            Self(directory)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("status.sock")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    async fn ask(path: PathBuf) -> Result<Status, QueryError> {
        tokio::task::spawn_blocking(move || query(&path)).await.unwrap()
    }

    fn run<F: Future<Output = ()>>(test: F) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn a_running_gateway_tells_its_status_to_its_user_alone() {
        run(async {
            let place = Place::new("answer");
            let server = StatusServer::bind(&place.socket()).unwrap();
            assert_eq!(fs::metadata(place.socket()).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(&place.0).unwrap().permissions().mode() & 0o777, 0o700);
            let (requests, mut asked) = mpsc::channel::<StatusRequest>(4);
            let serving = tokio::spawn(server.serve(requests));
            let gateway = tokio::spawn(async move {
                for pid in 1..=2 {
                    let reply = asked.recv().await.unwrap();
                    reply.send(Status { pid, ..Status::default() }).unwrap();
                }
            });
            assert_eq!(ask(place.socket()).await.unwrap().pid, 1);
            assert_eq!(ask(place.socket()).await.unwrap().pid, 2);
            gateway.await.unwrap();
            serving.await.unwrap();
            assert!(!place.socket().exists(), "the socket goes with its gateway");
            assert!(matches!(ask(place.socket()).await, Err(QueryError::NotRunning(_))));
        });
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_respected() {
        run(async {
            let place = Place::new("stale");
            fs::create_dir(&place.0).unwrap();
            drop(std::os::unix::net::UnixListener::bind(place.socket()).unwrap());
            assert!(matches!(query(&place.socket()), Err(QueryError::NotRunning(_))));
            let server = StatusServer::bind(&place.socket()).unwrap();
            assert!(matches!(StatusServer::bind(&place.socket()), Err(BindError::InUse(_))));
            drop(server);
            fs::write(place.socket(), "a file of somebody's").unwrap();
            assert!(matches!(StatusServer::bind(&place.socket()), Err(BindError::NotASocket(_))));
        });
    }

    #[test]
    fn a_directory_open_to_all_is_refused() {
        let place = Place::new("open");
        fs::create_dir(&place.0).unwrap();
        fs::set_permissions(&place.0, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(StatusServer::bind(&place.socket()), Err(BindError::ForeignDirectory(_))));
    }

    #[test]
    fn the_command_shows_what_the_gateway_says() {
        run(async {
            let place = Place::new("command");
            let server = StatusServer::bind(&place.socket()).unwrap();
            let (requests, mut asked) = mpsc::channel::<StatusRequest>(4);
            let serving = tokio::spawn(server.serve(requests));
            let gateway = tokio::spawn(async move {
                for _ in 0..2 {
                    let status = Status { version: "0.1.0".to_owned(), pid: 7, ..Status::default() };
                    asked.recv().await.unwrap().send(status).unwrap();
                }
            });
            for json in [false, true] {
                let options = StatusOptions { socket: Some(place.socket()), config: None, json };
                let shown = tokio::task::spawn_blocking(move || {
                    let mut shown = Vec::new();
                    cli::status(&options, &FixedEnvironment::default(), &mut shown).unwrap();
                    String::from_utf8(shown).unwrap()
                });
                let shown = shown.await.unwrap();
                if json {
                    assert_eq!(serde_json::from_str::<Status>(&shown).unwrap().pid, 7);
                } else {
                    assert!(shown.starts_with("voip 0.1.0, up 0 s, process 7\n"), "{shown}");
                }
            }
            gateway.await.unwrap();
            serving.await.unwrap();
        });
    }

    #[test]
    fn other_questions_are_refused_and_silent_clients_disturb_nobody() {
        run(async {
            let place = Place::new("rude");
            let server = StatusServer::bind(&place.socket()).unwrap();
            let (requests, mut asked) = mpsc::channel::<StatusRequest>(4);
            let serving = tokio::spawn(server.serve(requests));
            let mut silent = Vec::new();
            for _ in 0..MAX_CLIENTS - 1 {
                silent.push(UnixStream::connect(place.socket()).await.unwrap());
            }
            for question in [&b"reload\n"[..], &[b'x'; 4096]] {
                let mut client = UnixStream::connect(place.socket()).await.unwrap();
                client.write_all(question).await.unwrap();
                let mut answer = [0; 200];
                let length = client.read(&mut answer).await.unwrap();
                assert_eq!(&answer[..length], br#"{"error":"the only question here is: status"}"#);
            }
            let gateway = tokio::spawn(async move {
                asked.recv().await.unwrap().send(Status::default()).unwrap();
                // The next one is dropped, unanswered.
                asked.recv().await.unwrap();
            });
            assert!(ask(place.socket()).await.is_ok());
            let refused = ask(place.socket()).await.unwrap_err();
            assert!(refused.to_string().ends_with("says: the gateway is shutting down"), "{refused}");
            gateway.await.unwrap();
            drop(silent);
            serving.await.unwrap();
        });
    }
}
