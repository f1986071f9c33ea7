//! The thread that shows oned each new session before guests need it.

use super::oned::Oned;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// The thread that renews sessions; gone with its value.
pub(super) struct Renewal {
    stop: mpsc::Sender<()>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Renewal {
    pub(super) fn start(oned: &Arc<Oned>) -> Result<Self, String> {
        let (stop, stopped) = mpsc::channel();
        let oned = Arc::clone(oned);
        let thread = thread::Builder::new()
            .name("sessions".to_string())
            .spawn(move || {
                let next = || Duration::from_secs(oned.until_next_session());
                while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(next()) {
                    oned.renew_sessions();
                }
            })
            .map_err(|error| format!("cannot start a thread to renew sessions: {error}"))?;
        Ok(Renewal {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
