//! Whom to believe over TLS: the authorities of `--cacert`, of the context, or of the system.
//!
//! Of the hundreds that a system trusts, only those that the server's certificates name as an issuer are kept; whether
//! the chain is good is then for rustls to judge. That is a third of the work of taking them all in. A server's own
//! certificate may be listed as well.

use super::failure::{Broken, Phase};
use crate::files::{Located, Root};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use webpki::EndEntityCert;

/// Whom to believe.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// These authorities alone: a PEM file.
    pub ca_file: Option<Located>,
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
    pem: Option<String>,
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

fn pem(trust: &Trust) -> Result<String, Broken> {
    let (pem, whose) = match (&trust.ca_cert, &trust.ca_file) {
        (Some(pem), _) => (pem.clone(), "ONEGATE_CA_CERT".to_owned()),
        (None, Some(file)) => {
            let whose = file.shown();
            let pem = file.read();
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
            let root = Root::own();
            let found = SYSTEM_STORES
                .iter()
                .find_map(|file| Some((root.read(Path::new(file)).ok()?, (*file).to_owned())));
            found.ok_or_else(|| {
                Broken::new(
                    Phase::Tls,
                    "this system has no store of trusted authorities",
                )
                .advising(NO_STORE)
            })?
        }
    };
    // A store may have comments in any encoding.
    let pem = String::from_utf8(pem)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if !certificates(&pem).any(|base64| decode(base64, usize::MAX).is_some()) {
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

/// The base64 of each certificate in a PEM text, lines and all; what else there is is passed over.
fn certificates(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            // Base64 knows no '-', and one character is found much faster than a word.
            at += memchr(b'-', &text.as_bytes()[at..])?;
            let Some(body) = text[at..].strip_prefix(BEGIN) else {
                at += 1;
                continue;
            };
            let length = memchr(b'-', body.as_bytes())?;
            at += BEGIN.len() + length;
            if body[length..].starts_with(END) {
                return Some(&body[..length]);
            }
        }
    })
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The bytes of a certificate, or of as many whole lines of it as are asked for; `None` where that isn't base64.
fn decode(base64: &str, lines: usize) -> Option<Vec<u8>> {
    // All at once: growing it line by line would be a tenth of the work.
    let mut text = String::with_capacity(base64.len().min(lines.saturating_mul(LINE)));
    text.extend(base64.lines().map(str::trim_ascii).take(lines));
    STANDARD.decode(text).ok()
}

/// A line of PEM with its end, usually.
const LINE: usize = 66;

/// In this many lines of 64 characters the subject of most authorities' certificates is reached: of the numbers tried,
/// the one with which Debian's store takes the least work.
const BEGINNING: usize = 10;

/// The name of a certificate's subject, for a certificate or the beginning of one; `None` where it isn't reached. For
/// leaving certificates out, never for believing one.
fn subject(der: &[u8]) -> Option<&[u8]> {
    let (_, certificate) = value(der)?;
    let (_, mut fields) = value(certificate)?;
    // The version is there from version 2 on.
    if fields.first() == Some(&0xa0) {
        fields = after(fields)?;
    }
    // The serial number, the algorithm, the issuer and the validity come first.
    for _ in 0..4 {
        fields = after(fields)?;
    }
    let (length, name) = value(fields)?;
    name.get(..length)
}

/// The common name in the name of a subject; the last one if it has several.
fn common_name(subject: &[u8]) -> Option<&[u8]> {
    let mut rest = subject;
    let mut found = None;
    while let Some((length, set)) = value(rest) {
        let (_, attribute) = value(set.get(..length)?)?;
        if let Some(text) = attribute.strip_prefix(COMMON_NAME) {
            let (length, text) = value(text)?;
            found = text.get(..length);
        }
        rest = set.get(length..)?;
    }
    found
}

/// The common names of a certificate's subject and of its issuer, for a trace.
pub(super) fn names(der: &CertificateDer<'_>) -> (String, String) {
    let text = |name: Option<&[u8]>| {
        let name = name.and_then(common_name).unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    };
    let cert = EndEntityCert::try_from(der);
    let issuer = cert.as_ref().ok().map(|cert| cert.issuer());
    (text(subject(der)), text(issuer))
}

/// The object identifier 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];

/// The length of the DER value at the beginning, and what there is from its first byte on.
fn value(der: &[u8]) -> Option<(usize, &[u8])> {
    let (length, header) = match *der.get(1..4)? {
        [short @ 0..=0x7f, ..] => (usize::from(short), 2),
        [0x81, length, _] => (usize::from(length), 3),
        [0x82, high, low] => (usize::from(high) << 8 | usize::from(low), 4),
        _ => return None,
    };
    Some((length, der.get(header..)?))
}

/// What follows that value.
fn after(der: &[u8]) -> Option<&[u8]> {
    let (length, value) = value(der)?;
    value.get(length..)
}

/// Those of the authorities that have issued one of these certificates, by their names.
fn issuers_of<'a>(pem: &str, chain: impl Iterator<Item = &'a CertificateDer<'a>>) -> RootCertStore {
    let names: Vec<Vec<u8>> = chain
        .filter_map(|der| {
            EndEntityCert::try_from(der)
                .ok()
                .map(|cert| cert.issuer().to_vec())
        })
        .collect();
    let wanted = |name: &[u8]| names.iter().any(|wanted| wanted == name);
    let mut store = RootCertStore::empty();
    for base64 in certificates(pem) {
        let beginning = decode(base64, BEGINNING);
        if beginning
            .as_deref()
            .and_then(subject)
            .is_some_and(|name| !wanted(name))
        {
            continue;
        }
        let Some(der) = decode(base64, usize::MAX).map(CertificateDer::from) else {
            continue;
        };
        // What is no authority can't be one's issuer either.
        let anchor = webpki::anchor_from_trusted_cert(&der).ok();
        store.roots.extend(
            anchor
                .filter(|anchor| wanted(&anchor.subject))
                .map(|anchor| anchor.to_owned()),
        );
    }
    store
}

/// Is it exactly one of those in the text?
fn is_listed(pem: &str, server: &CertificateDer<'_>) -> bool {
    certificates(pem).any(|base64| decode(base64, usize::MAX).as_deref() == Some(server.as_ref()))
}

impl Authorities {
    /// A certificate that is listed itself needs nobody's word: that it is an authority's own, as those made with
    /// `openssl req -x509` are, or that its issuer is unknown, is no fault then. Its dates and its name still count.
    fn verify_itself(
        &self,
        server: &CertificateDer<'_>,
        cert: &ParsedCertificate<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let mut store = RootCertStore::empty();
        store.add(server.to_owned().into_owned())?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        // webpki judges the dates before either of these; a test has it expired.
        match verify_server_cert_signed_by_trust_anchor(cert, &store, &[], now, algorithms) {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
            Err(Error::InvalidCertificate(CertificateError::Other(other)))
                if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) => {}
            other => other?,
        }
        match verify_server_name(cert, name) {
            // Without a subjectAltName its common name counts, as long as it is listed.
            Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented,
                ..
            })) if presented.is_empty()
                && subject(server)
                    .and_then(common_name)
                    .is_some_and(|own| own.eq_ignore_ascii_case(name.to_str().as_bytes())) =>
            {
                Ok(())
            }
            other => other,
        }
    }
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
        let cert = ParsedCertificate::try_from(server)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let store = issuers_of(pem, std::iter::once(server).chain(intermediates));
        // What rustls' own WebPkiServerVerifier does, less the revocation lists, of which we have none.
        let outcome = match store.is_empty() {
            true => Err(CertificateError::UnknownIssuer.into()),
            false => verify_server_cert_signed_by_trust_anchor(
                &cert,
                &store,
                intermediates,
                now,
                algorithms,
            )
            .and_then(|()| verify_server_name(&cert, name)),
        };
        match outcome {
            Err(_) if is_listed(pem, server) => self.verify_itself(server, &cert, name, now)?,
            other => other?,
        }
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
    use super::{BEGINNING, CA_FILE, Trust, certificates, decode, pem, subject};

    #[test]
    fn certificates_among_other_things() {
        let text = b"# caf\xe9\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBA==\r\n-----END CERTIFICATE-----\n\
            -----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n\
            -----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n\
            -----BEGIN CERTIFICATE-----BQ==-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAQ==";
        let text = String::from_utf8_lossy(text);
        let all: Vec<_> = certificates(&text)
            .filter_map(|base64| decode(base64, usize::MAX))
            .collect();
        assert_eq!(all, [vec![1, 2, 3, 4], vec![5]]);
    }

    #[test]
    fn a_subject_is_read_from_the_beginning_alone_and_never_from_garbage() {
        let mut params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "An Authority");
        let certificate = params
            .self_signed(&rcgen::KeyPair::generate().unwrap())
            .unwrap();
        let anchor = webpki::anchor_from_trusted_cert(certificate.der()).unwrap();
        assert_eq!(subject(certificate.der()), Some(anchor.subject.as_ref()));
        let pem = certificate.pem();
        let base64 = certificates(&pem).next().unwrap();
        let beginning = decode(base64, BEGINNING).unwrap();
        assert!(beginning.len() <= BEGINNING * 48);
        // Cut anywhere, it is the same subject or none.
        for end in 0..beginning.len() {
            let found = subject(&beginning[..end]);
            assert!(found.is_none() || found == Some(&anchor.subject), "{end}");
        }
        for garbage in [
            &[0xff; 99][..],
            &[0x30, 0x82, 0xff, 0xff],
            &[0x30, 0x84],
            &[],
        ] {
            assert_eq!(subject(garbage), None);
        }
    }

    #[test]
    fn what_is_no_store_is_named() {
        for (trust, named) in [
            (
                Trust {
                    ca_file: Some(crate::files::Located::own("/nowhere/ca.pem".as_ref())),
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
