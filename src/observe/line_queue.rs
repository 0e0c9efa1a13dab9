//! Lines on their way to a file or stream, through a bounded queue and a thread of their own: a slow disk or a stopped
//! terminal makes lines be lost and counted, and never makes a call wait.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Where lines go.
pub(super) enum Sink {
    /// A stream that is already open.
    Stream(Box<dyn Write + Send>),
    /// Appended to a file, which [`LineQueue::reopen`] opens anew.
    File(PathBuf),
}

/// The queue's near end. Clones share the queue.
#[derive(Clone, Debug)]
pub(super) struct LineQueue {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    reopen: AtomicBool,
}

enum Message {
    Line(Vec<u8>),
    /// Look at [`Shared::reopen`].
    Wake,
    /// Everything before this is to be written; then the sender hears of it.
    Flush(std::sync::mpsc::Sender<()>),
}

impl LineQueue {
    /// Opens the sink and starts the thread.
    pub(super) fn start(name: &str, capacity: usize, sink: Sink) -> io::Result<Self> {
        let output = Output::open(sink)?;
        let (queue, lines) = sync_channel(capacity);
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || write_lines(&lines, output, &for_thread))?;
        Ok(Self { queue, shared })
    }

    /// Puts a line into the queue, or counts it as lost when there is no room.
    pub(super) fn push(&self, line: Vec<u8>) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.shared.lost.fetch_add(1, Relaxed);
        }
    }

    /// Lines that were not written: the queue was full, or writing failed.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    /// Opens the file anew before the next line: after it was renamed by whoever rotates it.
    pub(super) fn reopen(&self) {
        self.shared.reopen.store(true, Relaxed);
        // A full queue has lines in it that wake the thread just as well.
        let _ = self.queue.try_send(Message::Wake);
    }

    /// Waits until everything is written, for as long as `limit`; says whether it is.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let (done, flushed) = channel();
        let mut message = Message::Flush(done);
        // The queue may be full: the room that appears within the limit is waited for in steps.
        for _ in 0..20 {
            match self.queue.try_send(message) {
                Ok(()) => return !matches!(flushed.recv_timeout(limit), Err(RecvTimeoutError::Timeout)),
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => message = back,
            }
            let _ = flushed.recv_timeout(limit / 20);
        }
        false
    }
}

enum Output {
    Stream(BufWriter<Box<dyn Write + Send>>),
    File { path: PathBuf, file: BufWriter<File> },
}

impl Output {
    fn open(sink: Sink) -> io::Result<Self> {
        Ok(match sink {
            Sink::Stream(stream) => Self::Stream(BufWriter::new(stream)),
            Sink::File(path) => Self::File { file: open(&path)?, path },
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Stream(stream) => stream,
            Self::File { file, .. } => file,
        }
    }

    /// Keeps the old file when the new one cannot be opened: a line in the wrong file is better than none.
    fn reopen(&mut self) {
        if let Self::File { path, file } = self {
            match open(path) {
                Ok(opened) => *file = opened,
                Err(error) => tracing::error!("{} cannot be opened anew: {error}", path.display()),
            }
        }
    }
}

fn open(path: &std::path::Path) -> io::Result<BufWriter<File>> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Numbers of callers are nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    Ok(BufWriter::new(options.open(path)?))
}

fn write_lines(lines: &Receiver<Message>, mut output: Output, shared: &Shared) {
    while let Ok(first) = lines.recv() {
        let mut written: u64 = 0;
        let mut failed = false;
        let mut flushed = None;
        let mut next = Some(first);
        // What has gathered is written together and flushed once.
        while let Some(message) = next {
            if shared.reopen.swap(false, Relaxed) {
                failed |= output.writer().flush().is_err();
                output.reopen();
            }
            match message {
                Message::Line(line) => {
                    written += 1;
                    failed |= output.writer().write_all(&line).is_err();
                }
                Message::Wake => {}
                Message::Flush(done) => {
                    flushed = Some(done);
                    break;
                }
            }
            next = lines.try_recv().ok();
        }
        failed |= output.writer().flush().is_err();
        if failed {
            shared.lost.fetch_add(written, Relaxed);
        }
        if let Some(done) = flushed {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};

    const LIMIT: Duration = Duration::from_secs(20);

    /// A disk that stands still until it is let go.
    #[derive(Clone, Default)]
    struct SlowDisk {
        open: Arc<(Mutex<bool>, Condvar)>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for SlowDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (open, changed) = &*self.open;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_stands_still_loses_lines_and_holds_nobody_up() {
        let disk = SlowDisk::default();
        let queue = LineQueue::start("lines", 4, Sink::Stream(Box::new(disk.clone()))).unwrap();
        // More than the queue and the writer's buffer can hold.
        for _ in 0..100 {
            queue.push(vec![b'x'; 10_000]);
        }
        assert!(queue.lost() > 50, "{} of 100 lines were lost", queue.lost());
        assert!(!queue.flush(Duration::from_millis(20)));
        *disk.open.0.lock().unwrap() = true;
        disk.open.1.notify_all();
        assert!(queue.flush(LIMIT));
        let written = disk.written.lock().unwrap().len() as u64 / 10_000;
        assert_eq!(written + queue.lost(), 100);
    }

    #[test]
    fn a_renamed_file_is_opened_anew() {
        let directory = std::env::temp_dir().join(format!("voip-lines-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (path, old) = (directory.join("lines"), directory.join("lines.1"));
        let queue = LineQueue::start("lines", 4, Sink::File(path.clone())).unwrap();
        queue.push(b"one\n".to_vec());
        assert!(queue.flush(LIMIT));
        std::fs::rename(&path, &old).unwrap();
        queue.reopen();
        queue.push(b"two\n".to_vec());
        assert!(queue.flush(LIMIT));
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_at_once() {
        let path = PathBuf::from("/no/such/directory/calls.jsonl");
        assert_eq!(LineQueue::start("lines", 4, Sink::File(path)).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
