//! Writes the log to standard error, from a thread of its own: whoever has a line to log never waits for whoever
//! reads it. Where nobody does, lines are dropped, and counted.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of lines that wait to be written; a line beyond them is dropped.
pub const QUEUE: usize = 256 * 1024;
/// Between two writes: what comes meanwhile goes out in one.
const PAUSE: Duration = Duration::from_millis(1);
/// Memory that a queue at rest keeps.
const KEPT: usize = 8 * 1024;

/// The way to the writing thread.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// Lines dropped since the last that was written.
    dropped: usize,
    /// The thread waits for a line.
    asleep: bool,
    /// The thread writes.
    writing: bool,
}

impl Writer {
    /// Starts the thread. `note` makes a line of the number of lines that were dropped.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(
        mut out: impl Write + Send + 'static,
        note: impl Fn(usize) -> String + Send + 'static,
    ) -> std::io::Result<Writer> {
        let queue = Arc::<Queue>::default();
        let writer = Writer {
            queue: Arc::clone(&queue),
        };
        thread::Builder::new()
            .name("log".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || queue.write_to(&mut out, note))?;
        Ok(writer)
    }

    /// Has a line written, or drops it. Never waits for standard error.
    pub fn push(&self, line: &str) {
        let mut lines = self.queue.lock();
        if lines.waiting.len() + line.len() > QUEUE {
            lines.dropped += 1;
            return;
        }
        lines.waiting.extend_from_slice(line.as_bytes());
        if std::mem::take(&mut lines.asleep) {
            drop(lines);
            self.queue.changed.notify_all();
        }
    }

    /// Waits until every line is written, so long at most.
    pub fn flush(&self, most: Duration) {
        let deadline = Instant::now() + most;
        let mut lines = self.queue.lock();
        while !lines.waiting.is_empty() || lines.writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.queue.changed.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, out: &mut impl Write, note: impl Fn(usize) -> String) {
        let mut batch = Vec::new();
        loop {
            let mut lines = self.lock();
            while lines.waiting.is_empty() {
                lines.asleep = true;
                let waited = self.changed.wait(lines);
                lines = waited.unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut lines.waiting, &mut batch);
            let dropped = std::mem::take(&mut lines.dropped);
            (lines.asleep, lines.writing) = (false, true);
            drop(lines);
            if dropped > 0 {
                batch.extend_from_slice(note(dropped).as_bytes());
            }
            // Nobody is there to be told of a failure but who reads the log later.
            let lost = match out.write_all(&batch) {
                Ok(()) => 0,
                Err(_) => dropped + batch.iter().filter(|byte| **byte == b'\n').count(),
            };
            batch.clear();
            batch.shrink_to(KEPT);
            let mut lines = self.lock();
            lines.dropped += lost;
            lines.writing = false;
            drop(lines);
            self.changed.notify_all();
            thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// Takes one write whenever it is asked to.
    struct Slow(Receiver<()>, SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_not_taken_is_dropped_and_counted() {
        let (take, taken) = sync_channel(0);
        let (written, write) = sync_channel(8);
        let writer = Writer::start(Slow(taken, written), |count| format!("dropped {count}\n"))
            .expect("a thread");
        let line = format!("{}\n", "x".repeat(1023));
        // The first may be on its way already; the queue holds 256 more.
        writer.push(&line);
        while writer.queue.lock().waiting.capacity() > 0 || !writer.queue.lock().writing {
            thread::yield_now();
        }
        (0..300).for_each(|_| writer.push(&line));
        take.send(()).expect("a writer");
        assert_eq!(write.recv().expect("a write").len(), line.len());
        take.send(()).expect("a writer");
        let batch = write.recv().expect("a write");
        assert!(batch.ends_with(b"x\ndropped 44\n"));
        assert_eq!(batch.len(), QUEUE + "dropped 44\n".len());
        // What is written is not waited for; what cannot be written is, but not for ever.
        writer.flush(Duration::from_secs(60));
        writer.push(&line);
        writer.flush(Duration::from_millis(10));
    }
}
