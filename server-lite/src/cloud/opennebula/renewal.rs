//! The thread that shows oned each new session before guests need it.

use super::oned::Oned;
use super::settings::SettingsError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// The thread that renews sessions; it ends some time after its value, and nobody waits for it.
pub(super) struct Renewal {
    _until_dropped: mpsc::Sender<()>,
}

impl Renewal {
    pub(super) fn start(oned: &Arc<Oned>) -> Result<Self, SettingsError> {
        let (sender, dropped) = mpsc::channel();
        let oned = Arc::clone(oned);
        thread::Builder::new()
            .name("sessions".to_string())
            .spawn(move || {
                let next = || Duration::from_secs(oned.until_next_session());
                while let Err(mpsc::RecvTimeoutError::Timeout) = dropped.recv_timeout(next()) {
                    oned.renew_sessions();
                }
            })
            .map_err(SettingsError::NoThread)?;
        Ok(Renewal {
            _until_dropped: sender,
        })
    }
}
