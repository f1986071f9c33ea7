//! The token by which a VM proves who it is. (docs/protocol.md, "Tokens")
//!
//! It is a pure function of three things: the VM's id, its STIME and the TOKEN_PASSWORD of the user who created
//! it. So no token is decrypted: the expected one is computed and the two texts are compared in constant
//! time. A refusal tells nothing about padding, and a token has exactly one spelling; the real server also accepts
//! one without its `=`, or with quotes or blanks in it.

use crate::objects::document::Id;
use aes::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

/// The bytes of an AES-256 key, and of TOKEN_PASSWORD that count.
const KEY_LENGTH: usize = 32;

/// What a VM's token is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a> {
    /// The VM.
    pub vm: Id,
    /// Its STIME, seconds since the epoch as text.
    pub stime: &'a str,
    /// TOKEN_PASSWORD from the template of the user in CREATED_BY.
    pub password: &'a str,
}

/// Whether tokens can be made with a password.
pub fn is_long_enough(password: &str) -> bool {
    password.len() >= KEY_LENGTH
}

/// The token of a VM; `None` where the password is shorter than the 32 characters that make the key.
pub fn seal(secret: Secret<'_>) -> Option<String> {
    let key: &[u8; KEY_LENGTH] = secret
        .password
        .as_bytes()
        .get(..KEY_LENGTH)?
        .try_into()
        .ok()?;
    Some(encrypt(key, secret.vm, secret.stime))
}

/// Whether this is the token of that VM. Where there is no secret to compare with (no such VM, no CREATED_BY, no
/// password) the same work is done in vain, so that the time tells nothing.
pub fn verify(sent: &str, secret: Option<Secret<'_>>) -> bool {
    let expected = secret.and_then(seal);
    let known = expected.is_some();
    let expected = expected.unwrap_or_else(|| encrypt(&[0; KEY_LENGTH], 0, "0000000000"));
    let equal: bool = expected.as_bytes().ct_eq(sent.as_bytes()).into();
    equal & known
}

fn encrypt(key: &[u8; KEY_LENGTH], vm: Id, stime: &str) -> String {
    let cipher = cbc::Encryptor::<aes::Aes256>::new(key.into(), &[0; 16].into());
    STANDARD.encode(cipher.encrypt_padded_vec::<Pkcs7>(format!("{vm}:{stime}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VM 6 of the recorded snapshot.
    const VM_6: Secret<'_> = Secret {
        vm: 6,
        stime: "1795344990",
        password: "cebd5aad05cd76406c017fdc421ef43a1aec501413827fdcd518bc4a59ce709c",
    };
    const TOKEN_6: &str = "o7Y9bRvAiQmfUZzJo5eZTA==";

    #[test]
    fn the_recorded_token_is_the_one_we_make() {
        assert_eq!(seal(VM_6).as_deref(), Some(TOKEN_6));
        assert!(verify(TOKEN_6, Some(VM_6)));
    }

    #[test]
    fn only_the_exact_token_opens() {
        for wrong in [
            "",
            "o7Y9bRvAiQmfUZzJo5eZTA", // auth/token_no_padding: the real server takes it
            "o7Y9bRvAiQ mfUZzJo5eZTA==", // auth/token_inner_spaces: likewise
            "\"o7Y9bRvAiQmfUZzJo5eZTA==\"", // auth/token_quotes: likewise
            "o7Y9bRvAiQmfUZzJo5eZTA==@@@@", // auth/token_trailing_garbage: likewise
            "DplYphTrGKXtfHOIhUra8wFLjLJAckWjuLzip8PukP0=", // auth/token_extra_field: likewise
            "pyIOEMXGDX1644573QctZA==", // the id with a newline
            "c19oQsgjyHVCF2P0XXvjDw==", // another VM of the same user
            "KfPpY4cHzUY6xJc9ovRw6w==", // another key
            "8hzLFdwOHJhkMVlLupqYAg==", // another STIME
            "nBt0DgGkvci88RJNV156CA==", // no STIME
            "O7Y9bRvAiQmfUZzJo5eZTA==",
            "AAAA",
            "not a base64 token!!!",
        ] {
            assert!(!verify(wrong, Some(VM_6)), "{wrong}");
        }
    }

    #[test]
    fn without_a_secret_nothing_opens() {
        let dummy = encrypt(&[0; KEY_LENGTH], 0, "0000000000");
        assert!(
            !verify(&dummy, None),
            "the token of the dummy key is worth nothing"
        );
        assert!(!verify("", None));
        let short = Secret {
            password: "short",
            ..VM_6
        };
        assert_eq!(seal(short), None);
        assert!(!verify(&dummy, Some(short)));
    }
}
