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
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

impl ServerAuth {
    /// Reads `serveradmin:PASSWORD`, the one line of `onegate_auth`. The error never repeats the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let line = text.trim_end_matches(['\n', '\r']);
        match line.split_once(':') {
            Some((name, password))
                if !name.is_empty() && !password.is_empty() && !line.contains('\n') =>
            {
                let digest = Sha256::digest(password.as_bytes());
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                let mut key = [0; 32];
                key.copy_from_slice(&hex.as_bytes()[..32]);
                Ok(ServerAuth {
                    name: name.to_string(),
                    key,
                })
            }
            _ => Err("it must hold one line, USER:PASSWORD".to_string()),
        }
    }

    /// Reads the file; the error names it and says what to do.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| {
            format!("can't read {shown}: {e}; it is OpenNebula's onegate_auth: run as oneadmin, or give --auth-file")
        })?;
        Self::parse(&text).map_err(|e| format!("{shown}: {e}"))
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

/// Makes sessions, all with one time of expiry, which is renewed ahead of its end.
#[derive(Debug)]
pub struct Sessions {
    auth: ServerAuth,
    lifetime: Lifetime,
    /// Unix time.
    expire: AtomicU64,
}

impl Sessions {
    /// Sessions of this server's user.
    pub fn new(auth: ServerAuth, lifetime: Lifetime) -> Self {
        Sessions {
            auth,
            lifetime,
            expire: AtomicU64::new(0),
        }
    }

    /// The server's user, who is also the target that authenticates guests.
    pub fn server(&self) -> &str {
        self.auth.name()
    }

    /// The session with which to call oned in the target's name; `now` is Unix time.
    pub fn session(&self, target: &str, now: u64) -> String {
        format!("{}:{}", self.auth.name, self.password(target, now))
    }

    /// `TARGET:TOKEN`, the password of Basic auth with OneFlow.
    pub fn password(&self, target: &str, now: u64) -> String {
        format!("{target}:{}", self.auth.token(target, self.expire(now)))
    }

    fn expire(&self, now: u64) -> u64 {
        let expire = self.expire.load(Ordering::Relaxed);
        // Renewed also when the clock was set back: a session must not outlive its delta.
        if now + self.lifetime.margin.as_secs() < expire
            && expire <= now + self.lifetime.delta.as_secs()
        {
            return expire;
        }
        let renewed = now + self.lifetime.delta.as_secs();
        self.expire.store(renewed, Ordering::Relaxed);
        renewed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From server-lite/tests/fixtures/opennebula/session_string.json.
    const AUTH: &str =
        "serveradmin:46a01c1cfc2510fa63fb065f8fe6c60e5265965931fb6f4eedeba6c7d3f2b552\n";

    #[test]
    fn sessions_are_those_that_the_ruby_server_sent() {
        let expire = 1_795_346_952;
        let lifetime = Lifetime::default();
        let sessions = Sessions::new(ServerAuth::parse(AUTH).expect("auth"), lifetime);
        let made = expire - lifetime.delta.as_secs();
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
            assert_eq!(sessions.session(target, made), session);
        }
    }

    #[test]
    fn a_session_is_kept_until_its_margin_and_then_renewed() {
        let lifetime = Lifetime {
            delta: Duration::from_secs(100),
            margin: Duration::from_secs(20),
        };
        let sessions = Sessions::new(ServerAuth::parse(AUTH).expect("auth"), lifetime);
        let first = sessions.session("alice", 1000);
        assert_eq!(sessions.session("alice", 1079), first);
        let second = sessions.session("alice", 1080);
        assert_ne!(second, first);
        assert_eq!(sessions.session("alice", 1159), second);
        assert_ne!(sessions.session("alice", 1160), second);
        let set_back = sessions.session("alice", 500);
        assert_eq!(sessions.session("alice", 579), set_back);
    }

    #[test]
    fn a_lifetime_shorter_than_its_margin_still_makes_sessions() {
        let lifetime = Lifetime {
            delta: Duration::from_secs(10),
            margin: Duration::from_secs(300),
        };
        let sessions = Sessions::new(ServerAuth::parse(AUTH).expect("auth"), lifetime);
        assert_eq!(sessions.expire(1000), 1010);
        assert_eq!(sessions.expire(1001), 1011);
    }

    #[test]
    fn the_auth_file_is_one_line_and_its_content_is_never_shown() {
        for text in [
            "",
            "serveradmin",
            "serveradmin:",
            ":secret",
            "a:b\nc:secret",
        ] {
            let error = ServerAuth::parse(text).expect_err(text);
            assert!(!error.contains("secret"), "{error}");
        }
        let auth = ServerAuth::parse("serveradmin:secret").expect("auth");
        assert_eq!(format!("{auth:?}"), "ServerAuth(serveradmin)");
        let absent = ServerAuth::read(Path::new("/nonexistent/onegate_auth")).expect_err("absent");
        assert!(
            absent.contains("/nonexistent/onegate_auth") && absent.contains("--auth-file"),
            "{absent}"
        );
    }
}
