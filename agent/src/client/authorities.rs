//! Whom to believe over TLS: the authorities of `--cacert`, of the context, or of the system.
//!
//! Of the hundreds that a system trusts, only those that the server's certificates name as an issuer are kept; whether
//! the chain is good is then for rustls to judge. That is a third of the work of taking them all in.

use super::failure::{Broken, Phase};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use webpki::EndEntityCert;

/// Whom to believe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// These authorities alone: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// These authorities alone: PEM text.
    pub ca_cert: Option<Vec<u8>>,
    /// Anybody.
    pub insecure: bool,
}

/// Where distributions keep the authorities that they trust.
const SYSTEM_STORES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // Alpine, BSD
];

/// The judge of a server's certificates.
#[derive(Debug)]
pub(super) struct Authorities {
    /// `None`: anybody is believed.
    pem: Option<Vec<u8>>,
    provider: Arc<CryptoProvider>,
}

impl Authorities {
    /// Reads the authorities; what they are is looked at when the server's certificates are there.
    pub(super) fn read(
        trust: &Trust,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Authorities, Broken> {
        let pem = if trust.insecure {
            None
        } else {
            Some(pem(trust)?)
        };
        Ok(Authorities {
            pem,
            provider: provider.clone(),
        })
    }
}

fn pem(trust: &Trust) -> Result<Vec<u8>, Broken> {
    let (pem, whose) = match (&trust.ca_cert, &trust.ca_file) {
        (Some(pem), _) => (pem.clone(), "ONEGATE_CA_CERT".to_owned()),
        (None, Some(file)) => {
            let whose = file.display().to_string();
            let pem = std::fs::read(file);
            (
                pem.map_err(|e| {
                    Broken::new(
                        Phase::Tls,
                        format!("can't read the authorities in {whose}: {e}"),
                    )
                    .advising(CA_FILE)
                })?,
                whose,
            )
        }
        (None, None) => {
            let found = SYSTEM_STORES
                .iter()
                .find_map(|file| Some((std::fs::read(file).ok()?, (*file).to_owned())));
            found.ok_or_else(|| {
                Broken::new(
                    Phase::Tls,
                    "this system has no store of trusted authorities",
                )
                .advising(NO_STORE)
            })?
        }
    };
    if certificates(&pem).next().is_none() {
        return Err(
            Broken::new(Phase::Tls, format!("there is no certificate in {whose}"))
                .advising(CA_FILE),
        );
    }
    Ok(pem)
}

const CA_FILE: &str =
    "It must be a file of certificates as PEM: -----BEGIN CERTIFICATE----- and so on.";
const NO_STORE: &str =
    "Install the package ca-certificates, or name the authority's certificate with --cacert FILE.";

/// The certificates in a PEM text; what can't be decoded is passed over, as is all that is no certificate.
fn certificates(pem: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    // A store may have comments in any encoding; most are plain, and that is seen at a glance.
    let text = str::from_utf8(pem).map_or_else(|_| String::from_utf8_lossy(pem), Cow::Borrowed);
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find(BEGIN)? + BEGIN.len();
            let end = start + text[start..].find(END)?;
            at = end;
            let base64: String = text[start..end].lines().map(str::trim_ascii).collect();
            if let Ok(der) = STANDARD.decode(base64) {
                return Some(der);
            }
        }
    })
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Those of the authorities that have issued one of these certificates, by their names.
fn issuers_of<'a>(
    pem: &[u8],
    chain: impl Iterator<Item = &'a CertificateDer<'a>>,
) -> RootCertStore {
    let names: Vec<Vec<u8>> = chain
        .filter_map(|der| {
            EndEntityCert::try_from(der)
                .ok()
                .map(|cert| cert.issuer().to_vec())
        })
        .collect();
    let mut store = RootCertStore::empty();
    for der in certificates(pem).map(CertificateDer::from) {
        // What is no authority can't be one's issuer either.
        let anchor = webpki::anchor_from_trusted_cert(&der).ok();
        store.roots.extend(
            anchor
                .filter(|anchor| names.iter().any(|name| name == anchor.subject.as_ref()))
                .map(|anchor| anchor.to_owned()),
        );
    }
    store
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(pem) = &self.pem else {
            return Ok(ServerCertVerified::assertion());
        };
        let store = issuers_of(pem, std::iter::once(server).chain(intermediates));
        if store.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        // What rustls' own WebPkiServerVerifier does, less the revocation lists, of which we have none.
        let cert = ParsedCertificate::try_from(server)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&cert, &store, intermediates, now, algorithms)?;
        verify_server_name(&cert, name)?;
        Ok(ServerCertVerified::assertion())
    }

    // The server must hold the certificate's key, be it ever so little verified.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::{CA_FILE, Trust, certificates, pem};

    #[test]
    fn certificates_among_other_things() {
        let text = b"# caf\xe9\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBA==\r\n-----END CERTIFICATE-----\n\
            -----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n\
            -----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n\
            -----BEGIN CERTIFICATE-----BQ==-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAQ==";
        assert_eq!(
            certificates(text).collect::<Vec<_>>(),
            [vec![1, 2, 3, 4], vec![5]]
        );
        assert_eq!(certificates(&text[6..]).count(), 2);
    }

    #[test]
    fn what_is_no_store_is_named() {
        for (trust, named) in [
            (
                Trust {
                    ca_file: Some("/nowhere/ca.pem".into()),
                    ..Trust::default()
                },
                "/nowhere/ca.pem",
            ),
            (
                Trust {
                    ca_cert: Some(b"no PEM".to_vec()),
                    ..Trust::default()
                },
                "no certificate in ONEGATE_CA_CERT",
            ),
        ] {
            let broken = pem(&trust).expect_err(named);
            assert!(broken.why.contains(named), "{}", broken.why);
            assert_eq!(broken.advice, Some(CA_FILE));
        }
    }
}
