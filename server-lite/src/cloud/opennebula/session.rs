//! Sessions: how `serveradmin` speaks to oned and OneFlow in another user's name. (docs/protocol.md,
//! "Sessions")
//!
//! A session is `SERVER:TARGET:TOKEN`, the token being the base64 of `SERVER:TARGET:EXPIRE` under AES-256-CBC. The key
//! is the first 32 characters of the hexadecimal SHA-256 of the server's password, the initial vector its first 16.

use aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// How long a call waits for another one that shows oned a new session: an authentication takes some 400 ms.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long sessions last: `:expire_delta` and `:expire_margin` of OpenNebula's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// For how long a session is good.
    pub delta: Duration,
    /// How long before its end it is replaced.
    pub margin: Duration,
}

impl Default for Lifetime {
    /// OpenNebula's own: 1800 and 300 seconds.
    fn default() -> Self {
        Lifetime {
            delta: Duration::from_secs(1800),
            margin: Duration::from_secs(300),
        }
    }
}

/// The server's own user: the content of `onegate_auth`.
#[derive(Clone)]
pub struct ServerAuth {
    name: String,
    key: [u8; 32],
}

/// Never shows the key.
impl fmt::Debug for ServerAuth {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ServerAuth({})", self.name)
    }
}

/// Why the file with the server's password can't be used; never with its content.
#[derive(Debug, Error)]
pub enum AuthFileError {
    /// It can't be read.
    #[error(
        "can't read {file}: {1}; it is OpenNebula's onegate_auth: run as oneadmin, or give --auth-file",
        file = .0.display()
    )]
    Unreadable(PathBuf, io::Error),
    /// It holds something else.
    #[error("{}: it must hold one line, USER:PASSWORD", .0.display())]
    NotOneLine(PathBuf),
}

impl ServerAuth {
    /// Reads `serveradmin:PASSWORD`, the one line of `onegate_auth`; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line = text.trim_end_matches(['\n', '\r']);
        match line.split_once(':') {
            Some((name, password))
                if !name.is_empty() && !password.is_empty() && !line.contains('\n') =>
            {
                let digest = Sha256::digest(password.as_bytes());
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                let mut key = [0; 32];
                key.copy_from_slice(&hex.as_bytes()[..32]);
                Some(ServerAuth {
                    name: name.to_string(),
                    key,
                })
            }
            _ => None,
        }
    }

    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, AuthFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| AuthFileError::Unreadable(path.to_owned(), error))?;
        Self::parse(&text).ok_or_else(|| AuthFileError::NotOneLine(path.to_owned()))
    }

    /// The server's user.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn token(&self, target: &str, expire: u64) -> String {
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.key[..16]);
        let plain = format!("{}:{target}:{expire}", self.name);
        let sealed = cbc::Encryptor::<Aes256>::new(&self.key.into(), &iv.into())
            .encrypt_padded_vec::<Pkcs7>(plain.as_bytes());
        STANDARD.encode(sealed)
    }
}

/// The sessions of this server's user, one for each target.
///
/// oned remembers one session string for each target, and runs its authentication driver (some 400 ms) for any other.
/// So all instances with the same password and the same lifetime use the same string at the same time: EXPIRE lies on
/// a grid. And a new string is shown to oned by one call alone, while the target's other calls wait for it: a driver
/// run each would be slower.
#[derive(Debug)]
pub struct Sessions {
    auth: ServerAuth,
    lifetime: Lifetime,
    targets: Mutex<HashMap<String, Arc<Target>>>,
}

#[derive(Debug, Default)]
struct Target {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The EXPIRE that oned has accepted last; 0 for none.
    accepted: u64,
    /// The last string that was made, and its EXPIRE.
    made: (u64, String),
    /// Calls in hand.
    calls: usize,
    /// One call is showing oned a new string.
    alone: bool,
    /// How many such calls were not accepted.
    failed: u64,
    /// Unix time of the last call.
    used: u64,
}

/// A session in use, for one call; to be kept until that has ended.
#[derive(Debug)]
pub struct Session {
    target: Arc<Target>,
    text: String,
    expire: u64,
    alone: bool,
    accepted: bool,
}

impl Session {
    /// `SERVER:TARGET:TOKEN`
    pub fn text(&self) -> &str {
        &self.text
    }

    /// To be called where oned's answer shows that it took the session.
    pub fn accepted(&mut self) {
        self.accepted = true;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = lock(&self.target.state);
        if self.accepted {
            state.accepted = self.expire;
        }
        if self.alone {
            state.alone = false;
            state.failed += u64::from(!self.accepted);
        } else {
            state.calls -= 1;
        }
        let free = state.calls == 0;
        drop(state);
        if free {
            self.target.changed.notify_all();
        }
    }
}

impl Sessions {
    /// Sessions of this server's user.
    pub fn new(auth: ServerAuth, lifetime: Lifetime) -> Self {
        Sessions {
            auth,
            lifetime,
            targets: Mutex::default(),
        }
    }

    /// The server's user, who is also the target that authenticates guests.
    pub fn server(&self) -> &str {
        self.auth.name()
    }

    /// The session with which to call oned in the target's name; `now` is Unix time. Waits while another call shows
    /// oned the target's new session, but never long: where oned is slow to answer, every call is on its own.
    pub fn session(&self, target: &str, now: u64) -> Session {
        let expire = self.expire(now);
        let known = Arc::clone(lock(&self.targets).entry(target.to_string()).or_default());
        let failed = lock(&known.state).failed;
        let (mut state, _) = known
            .changed
            .wait_timeout_while(lock(&known.state), LONGEST_WAIT, |state| {
                let ready = state.accepted == expire || state.calls == 0;
                (state.alone || !ready) && state.failed == failed
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.made.0 != expire {
            let text = format!("{}:{}", self.auth.name, self.password(target, now));
            state.made = (expire, text);
        }
        state.used = now;
        let alone = state.accepted != expire && state.calls == 0 && !state.alone;
        if alone {
            state.alone = true;
        } else {
            state.calls += 1;
        }
        let text = state.made.1.clone();
        drop(state);
        Session {
            target: known,
            text,
            expire,
            alone,
            accepted: false,
        }
    }

    /// `TARGET:TOKEN`, the password of Basic auth with OneFlow.
    pub fn password(&self, target: &str, now: u64) -> String {
        format!("{target}:{}", self.auth.token(target, self.expire(now)))
    }

    /// The targets that were used of late and whose session at this time oned has not seen yet; others are forgotten.
    pub fn to_renew(&self, now: u64) -> Vec<String> {
        let expire = self.expire(now);
        let period = self.period();
        let mut due = Vec::new();
        lock(&self.targets).retain(|name, target| {
            let state = lock(&target.state);
            let idle = state.calls == 0 && !state.alone && Arc::strong_count(target) == 1;
            if idle && state.used.abs_diff(now) > 2 * period {
                return false;
            }
            if state.accepted != expire && state.used.abs_diff(now) <= period {
                due.push(name.clone());
            }
            true
        });
        due
    }

    /// How long until the sessions change, in seconds.
    pub fn until_next(&self, now: u64) -> u64 {
        self.period() - now % self.period()
    }

    /// How long each string is used, in seconds.
    fn period(&self) -> u64 {
        let Lifetime { delta, margin } = self.lifetime;
        delta.saturating_sub(margin).as_secs().max(1)
    }

    /// Sessions begin at whole multiples of the period, whenever this server was started.
    fn expire(&self, now: u64) -> u64 {
        now - now % self.period() + self.lifetime.delta.as_secs()
    }
}

/// What these locks guard is whole between any two statements, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From server-lite/tests/fixtures/opennebula/session_string.json.
    const AUTH: &str =
        "serveradmin:46a01c1cfc2510fa63fb065f8fe6c60e5265965931fb6f4eedeba6c7d3f2b552\n";

    fn sessions(delta: u64, margin: u64) -> Sessions {
        let lifetime = Lifetime {
            delta: Duration::from_secs(delta),
            margin: Duration::from_secs(margin),
        };
        Sessions::new(ServerAuth::parse(AUTH).expect("auth"), lifetime)
    }

    /// The string, accepted by oned.
    fn used(sessions: &Sessions, target: &str, now: u64) -> String {
        let mut session = sessions.session(target, now);
        session.accepted();
        session.text().to_string()
    }

    #[test]
    fn sessions_are_those_that_the_ruby_server_sent() {
        // A period of one second, so that EXPIRE is this one.
        let sessions = sessions(1800, 1799);
        let made = 1_795_346_952 - 1800;
        for (target, session) in [
            (
                "serveradmin",
                "serveradmin:serveradmin:9JUbPkH/5frF3AxcSE3XZZV+ph3/CYxV4hUhlEbHAXY3XB3IGixSeSnSwiGRDDku",
            ),
            (
                "alice",
                "serveradmin:alice:YwwdsXoDPRIQZdrxGaL0OWRWFAd8rABF60vaCGdJAEs=",
            ),
            (
                "bob",
                "serveradmin:bob:QPoVbFxYvlZEfRzuVIVIx4zB8a+d7CGXPt8oimTskyc=",
            ),
        ] {
            assert_eq!(used(&sessions, target, made), session);
        }
    }

    #[test]
    fn two_servers_use_the_same_strings_whenever_they_were_started() {
        for (delta, margin) in [(1800, 300), (100, 20), (60, 59), (10, 300)] {
            let (old, start) = (sessions(delta, margin), 1_795_000_123);
            for now in (start..start + 5000).step_by(37) {
                // One of two that run side by side, one that was started a moment ago.
                let young = sessions(delta, margin);
                let text = used(&old, "alice", now);
                assert_eq!(text, used(&young, "alice", now), "{delta} {margin} {now}");
                assert_eq!(text, used(&old, "alice", now));
            }
        }
    }

    #[test]
    fn a_session_is_good_for_more_than_its_margin_and_at_most_its_delta() {
        let sessions = sessions(100, 20);
        let mut before = String::new();
        let mut changes = 0;
        for now in 1_000_000..1_000_400 {
            let left = sessions.expire(now) - now;
            assert!(left > 20 && left <= 100, "{now}: {left}");
            let text = used(&sessions, "alice", now);
            changes += usize::from(text != before);
            before = text;
            assert_eq!(sessions.until_next(now), left - 20);
        }
        assert_eq!(changes, 5);
        // A clock that was set back, and a lifetime shorter than its margin.
        assert_eq!(
            used(&sessions, "alice", 1_000_000),
            used(&sessions, "alice", 1_000_000)
        );
        let short = super::tests::sessions(10, 300);
        assert_eq!((short.expire(1000), short.expire(1001)), (1010, 1011));
    }

    #[test]
    fn a_new_session_is_shown_to_oned_by_one_call_alone() {
        let sessions = Arc::new(sessions(100, 20));
        let mut first = sessions.session("alice", 1000);
        assert!(first.alone);
        // Another target's calls are no concern of it.
        assert!(sessions.session("bob", 1000).alone);
        let others: Vec<_> = (0..4)
            .map(|_| {
                let sessions = sessions.clone();
                std::thread::spawn(move || sessions.session("alice", 1000).alone)
            })
            .collect();
        first.accepted();
        drop(first);
        for other in others {
            assert!(!other.join().expect("a thread"));
        }
        // The next one waits for the calls with the old one to end.
        let old = sessions.session("alice", 1000);
        let next = std::thread::spawn({
            let sessions = sessions.clone();
            move || sessions.session("alice", 1080).alone
        });
        drop(old);
        assert!(next.join().expect("a thread"));
        // It was not accepted: those who waited try for themselves.
        let failing = sessions.session("alice", 1080);
        let waits = std::thread::spawn({
            let sessions = sessions.clone();
            move || drop(sessions.session("alice", 1080))
        });
        drop(failing);
        waits.join().expect("a thread");
    }

    #[test]
    fn sessions_in_use_are_renewed_and_others_forgotten() {
        let sessions = sessions(100, 20);
        used(&sessions, "alice", 1000);
        used(&sessions, "bob", 1030);
        assert_eq!(sessions.to_renew(1030), [""; 0]);
        assert_eq!(sessions.until_next(1030), 10);
        let mut due = sessions.to_renew(1040);
        due.sort();
        assert_eq!(due, ["alice", "bob"]);
        used(&sessions, "alice", 1040);
        assert_eq!(sessions.to_renew(1041), ["bob"]);
        assert_eq!(sessions.to_renew(1120), ["alice"]);
        assert_eq!(sessions.to_renew(1200), [""; 0]);
        assert_eq!(lock(&sessions.targets).len(), 1, "bob is forgotten");
    }

    #[test]
    fn the_auth_file_is_one_line_and_its_content_is_never_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("onegate_auth");
        for text in [
            "",
            "serveradmin",
            "serveradmin:",
            ":secret",
            "a:b\nc:secret",
        ] {
            std::fs::write(&file, text).expect("written");
            let error = ServerAuth::read(&file).expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let auth = ServerAuth::parse("serveradmin:secret").expect("auth");
        assert_eq!(format!("{auth:?}"), "ServerAuth(serveradmin)");
        for text in [
            "serveradmin:secret\n",
            "\u{feff}serveradmin:secret\n",
            "serveradmin:secret\r\n",
            "\u{feff}serveradmin:secret",
        ] {
            let same = ServerAuth::parse(text).expect(text);
            assert_eq!(same.token("oneadmin", 0), auth.token("oneadmin", 0));
        }
        let absent = ServerAuth::read(Path::new("/nonexistent/onegate_auth"))
            .expect_err("absent")
            .to_string();
        assert!(
            absent.contains("/nonexistent/onegate_auth") && absent.contains("--auth-file"),
            "{absent}"
        );
    }
}
